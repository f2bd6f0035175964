/** Writes OCI layouts for tests from directories and from tar arguments, with GNU tar: real layers, made by others' code. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";

const run = promisify(execFile);

export interface TestImage {
  readonly name: string;
  /** Directory trees, bottom first; whiteouts are files called `.wh.…` */
  readonly layers: readonly string[];
  readonly config?: Readonly<Record<string, unknown>>;
  /** More arguments for tar, such as `--owner=0` */
  readonly tarArgs?: readonly string[];
}

const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

export const writeLayout = async (directory: string, image: TestImage): Promise<string> => {
  const blobs = join(directory, "blobs/sha256");
  await mkdir(blobs, { recursive: true });
  const put = async (mediaType: string, bytes: Buffer) => {
    const hex = sha256(bytes);
    await writeFile(join(blobs, hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  };
  const layers = [];
  const diffIds = [];
  for (const tree of image.layers) {
    const file = join(directory, "layer.tar");
    await run("tar", [
      "-cf",
      file,
      "--numeric-owner",
      ...(image.tarArgs ?? ["--owner=0", "--group=0"]),
      "-C",
      tree,
      ".",
    ]);
    const tar = await readFile(file);
    diffIds.push(`sha256:${sha256(tar)}`);
    layers.push(await put("application/vnd.oci.image.layer.v1.tar+gzip", gzipSync(tar, { level: 1 })));
  }
  const json = (value: unknown) => Buffer.from(JSON.stringify(value));
  const config = await put(
    "application/vnd.oci.image.config.v1+json",
    json({
      architecture: "amd64",
      os: "linux",
      config: image.config ?? {},
      rootfs: { type: "layers", diff_ids: diffIds },
    }),
  );
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = await put(mediaType, json({ schemaVersion: 2, mediaType, config, layers }));
  const annotations = { "org.opencontainers.image.ref.name": image.name };
  await writeFile(
    join(directory, "index.json"),
    json({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] }),
  );
  await writeFile(join(directory, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  return directory;
};
