/** Debian's cloud kernel: found with apt, downloaded and unpacked once, kept in the user's cache. */
import { access, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { BuildError, progress, run } from "./run.mjs";

/** The metapackage that depends on the newest cloud kernel. */
const metapackage = (architecture) => `linux-image-cloud-${architecture}`;

/** `{ name, version }` of the kernel package the metapackage stands for now. */
export async function findKernelPackage(architecture) {
  const meta = metapackage(architecture);
  const shown = await run("apt-cache", ["show", "--no-all-versions", meta]).catch(() => "");
  const found = /^Depends:.*?(linux-image-[0-9][^\s,(]*) \(= ([^)\s]+)\)/m.exec(shown);
  if (found === null) {
    throw new BuildError(
      `apt knows no ${meta}. Run: sudo apt-get update (on Debian; elsewhere use a kernel image of your own)`,
    );
  }
  return { name: found[1], version: found[2] };
}

async function exists(path) {
  return access(path).then(
    () => true,
    () => false,
  );
}

/**
 * The unpacked package, with boot/vmlinuz-RELEASE and lib/modules/RELEASE: `{ tree, release }`.
 * Downloads only what the cache lacks.
 */
export async function fetchKernel(kernelPackage, cache) {
  const { name, version } = kernelPackage;
  const tree = join(cache, `${name}_${version.replaceAll(":", "%3a")}`);
  const release = name.slice("linux-image-".length);
  if (await exists(tree)) return { tree, release };
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, "download-"));
  try {
    progress(`downloading ${name} ${version}`);
    await run("apt-get", ["download", "-qq", `${name}=${version}`], { cwd: work });
    const deb = (await readdir(work)).find((entry) => entry.endsWith(".deb"));
    if (deb === undefined) throw new BuildError(`apt-get download left no package for ${name}`);
    await run("dpkg-deb", ["-x", join(work, deb), join(work, "tree")]);
    await run("depmod", ["-b", join(work, "tree"), release]);
    await rename(join(work, "tree"), tree).catch((error) => {
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return { tree, release };
}
