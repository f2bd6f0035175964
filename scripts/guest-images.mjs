/**
 * Builds the images that make a microVM boot without any registry: a kernel with our initrd, a busybox root, and on
 * demand a Debian. The result is an OCI image layout.
 *
 *   npm run guest-images [-- --debian] [-- --out DIR]
 *
 * Needs no privilege. What it needs installed is listed by scripts/system-packages.sh.
 */
import { chmod, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { directory, file, tar } from "./guest-images/archives.mjs";
import { BUSYBOX, busyboxTar } from "./guest-images/busybox.mjs";
import { debianLayer } from "./guest-images/debian.mjs";
import { buildInitrd, compileInit } from "./guest-images/initrd.mjs";
import { fetchKernel, findKernelPackage } from "./guest-images/kernel.mjs";
import { layerOf, OciLayout } from "./guest-images/oci-layout.mjs";
import { BuildError, progress, run } from "./guest-images/run.mjs";
import { aptStamp, digestOfSources, readRecord, writeRecord } from "./guest-images/up-to-date.mjs";

const REPOSITORY = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const GUEST_INIT = join(REPOSITORY, "guest", "init");
const REGISTRY = "flintlock.local";
const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

function cacheDirectory() {
  const base = process.env["XDG_CACHE_HOME"];
  return join(base?.startsWith("/") ? base : join(homedir(), ".cache"), "flintlock");
}

function readOptions() {
  const { values } = parseArgs({ options: { debian: { type: "boolean" }, out: { type: "string" } } });
  return {
    images: ["kernel", "busybox", ...(values.debian ? ["debian"] : [])],
    out: resolve(values.out ?? join(REPOSITORY, "dist", "guest-images")),
  };
}

async function kernelLayer(kernelPackage) {
  const [{ tree, release }, multiarch, manifest] = await Promise.all([
    fetchKernel(kernelPackage, join(cacheDirectory(), "kernels")),
    run("gcc", ["-print-multiarch"]),
    readFile(join(REPOSITORY, "package.json"), "utf8"),
  ]);
  progress(`kernel ${release}: compiling init, collecting modules`);
  const init = await compileInit(GUEST_INIT, multiarch.trim(), JSON.parse(manifest).version);
  const initrd = await buildInitrd(init, tree, release);
  const vmlinuz = await readFile(join(tree, "boot", `vmlinuz-${release}`));
  progress(
    `init ${init.length >> 10} KiB, initrd ${initrd.length >> 10} KiB, vmlinuz ${vmlinuz.length >> 10} KiB`,
  );
  const entries = [directory("boot"), file("boot/vmlinuz", vmlinuz), file("boot/initrd.img", initrd)];
  return layerOf(gzipSync(tar(entries)));
}

async function build(options, record) {
  const architecture = (await run("dpkg", ["--print-architecture"])).trim();
  const work = await mkdtemp(join(dirname(options.out), `.${basename(options.out)}-`));
  const layout = new OciLayout(work);
  const sizes = [];
  const add = async (name, layer, config) => {
    const bytes = await layout.add(`${REGISTRY}/${name}:latest`, architecture, layer, config);
    sizes.push(`${name} ${(bytes / 1024 / 1024).toFixed(1)} MiB`);
  };
  try {
    await add("kernel", await kernelLayer(record.kernel), {
      Labels: { "dev.flintlock.kernel": "boot/vmlinuz", "dev.flintlock.initrd": "boot/initrd.img" },
    });
    progress("busybox");
    await add("busybox", layerOf(gzipSync(await busyboxTar())), { Env: [PATH], Cmd: ["/bin/sh"] });
    if (options.images.includes("debian")) {
      progress("debian: about a minute");
      const { layer, free } = await debianLayer(work);
      await add("debian", layer, { Env: [PATH] });
      await free();
    }
    await layout.finish();
    await writeRecord(work, record);
    await chmod(work, 0o755);
    await layout.moveTo(options.out);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return sizes;
}

async function main() {
  const started = Date.now();
  const options = readOptions();
  await mkdir(dirname(options.out), { recursive: true });
  const scripts = join(REPOSITORY, "scripts", "guest-images");
  const [sources, apt, old] = await Promise.all([
    digestOfSources([GUEST_INIT, scripts], [BUSYBOX, fileURLToPath(import.meta.url)]),
    aptStamp(),
    readRecord(options.out),
  ]);
  const isSame = old?.sources === sources && options.images.every((name) => old.images.includes(name));
  if (isSame && old.apt === apt) return;
  const architecture = (await run("dpkg", ["--print-architecture"])).trim();
  const kernel = await findKernelPackage(architecture);
  const record = { sources, apt, kernel, images: options.images };
  if (isSame && old.kernel.version === kernel.version && old.kernel.name === kernel.name) {
    await writeRecord(options.out, { ...old, apt });
    return;
  }
  const sizes = await build(options, record);
  progress(`${sizes.join(", ")} in ${((Date.now() - started) / 1000).toFixed(1)} s: ${options.out}`);
}

try {
  await main();
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  progress(error.message);
  process.exitCode = 1;
}
