/** The guest images as plain files: kernel, initrd and a busybox disk, unpacked once per test run. */
import { execFile } from "node:child_process";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { BaseDisk } from "@flintlock/core";

const run = promisify(execFile);
const LAYOUT =
  process.env["FLINTLOCK_GUEST_IMAGES"] ??
  fileURLToPath(new URL("../../../dist/guest-images", import.meta.url));
const DISK_MIB = 64;

export interface GuestFiles {
  readonly kernelPath: string;
  readonly initrdPath: string;
  readonly baseDisk: BaseDisk;
}

interface Descriptor {
  readonly digest: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** @throws when the images were not built: `npm run guest-images` */
export const unpackGuestFiles = async (directory: string): Promise<GuestFiles> => {
  const index = await readJson<{ manifests: readonly Descriptor[] }>(join(LAYOUT, "index.json")).catch(() => {
    throw new Error(`no guest images in ${LAYOUT}: run npm run guest-images`);
  });
  const [kernel, root] = [join(directory, "kernel"), join(directory, "root")];
  await unpackImage(index.manifests, "kernel", kernel);
  await unpackImage(index.manifests, "busybox", root);
  const path = join(directory, "base.raw");
  await run("mkfs.ext4", ["-q", "-F", "-L", "root", "-d", root, path, `${DISK_MIB}M`]);
  return {
    kernelPath: join(kernel, "boot/vmlinuz"),
    initrdPath: join(kernel, "boot/initrd.img"),
    baseDisk: { path, sizeBytes: DISK_MIB * 1024 * 1024, filesystem: "ext4" },
  };
};

const unpackImage = async (manifests: readonly Descriptor[], name: string, target: string): Promise<void> => {
  const found = manifests.find(({ annotations }) =>
    Object.values(annotations ?? {}).some((it) => it.includes(name)),
  );
  if (found === undefined) throw new Error(`the guest images have no ${name}`);
  const { layers } = await readJson<{ layers: readonly Descriptor[] }>(blob(found.digest));
  await mkdir(target);
  for (const { digest } of layers) await run("tar", ["-xf", blob(digest), "-C", target]);
};

const blob = (digest: string): string => join(LAYOUT, "blobs", digest.replace(":", "/"));

const readJson = async <T>(path: string): Promise<T> => JSON.parse(await readFile(path, "utf8")) as T;
