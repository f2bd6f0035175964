/**
 * The kernel modules of the initrd and the index by which guest/init loads them: lines `key: file file …`, each with
 * all it depends on, in order of insertion. Keys are those of guest/init/modules.h.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { BuildError, run } from "./run.mjs";

/** Device numbers of virtio: linux/virtio_ids.h */
const WANTED = [
  ["mmio", ["virtio_mmio"]],
  ["pci", ["virtio_pci"]],
  ["virtio:3", ["virtio_console"]],
  ["virtio:2", ["virtio_blk"]],
  ["virtio:1", ["virtio_net"]],
  ["virtio:4", ["virtio_rng"]],
  ["virtio:5", ["virtio_balloon"]],
  ["virtio:19", ["vmw_vsock_virtio_transport"]],
  ["virtio:26", ["virtiofs"]],
  ["fs:virtiofs", ["virtiofs"]],
  ["fs:iso9660", ["isofs", "nls_utf8"]],
  ["fs:vfat", ["vfat", "nls_cp437", "nls_iso8859-1", "nls_ascii", "nls_utf8"]],
  ["fs:overlay", ["overlay"]],
  ["fs:squashfs", ["squashfs"]],
  ["fs:erofs", ["erofs"]],
  ["button", ["button", "evdev"]],
];

async function filesOf(module, tree, release) {
  const shown = await run("modprobe", ["-d", tree, "-S", release, "--show-depends", module]);
  return [...shown.matchAll(/^insmod (\S+)/gm)].map((match) => match[1]);
}

/** Kernels differ in whether modules are compressed; the guest's init wants them plain. */
async function readModule(path) {
  const unpack = { ".xz": "xz", ".zst": "zstd", ".gz": "gzip" }[/\.(xz|zst|gz)$/.exec(path)?.[0] ?? ""];
  if (unpack === undefined) return readFile(path);
  return run(unpack, ["-dc", path], { encoding: "buffer" });
}

/** `{ index, files }`: the index's text, and a map of file name to contents without debug symbols. */
export async function collectModules(tree, release) {
  const paths = new Map();
  const lines = [];
  for (const [key, modules] of WANTED) {
    const names = [];
    for (const module of modules) {
      for (const path of await filesOf(module, tree, release)) {
        const name = basename(path).replace(/\.ko\..*$/, ".ko");
        paths.set(name, path);
        if (!names.includes(name)) names.push(name);
      }
    }
    // A driver that the kernel has built in has no file, and then needs no line.
    if (names.length > 0) lines.push(`${key}: ${names.join(" ")}\n`);
  }
  if (paths.size === 0) throw new BuildError(`no modules found for ${release}`);
  return { index: lines.join(""), files: await strip(paths) };
}

async function strip(paths) {
  const work = await mkdtemp(join(tmpdir(), "flintlock-modules-"));
  try {
    const names = [...paths.keys()].sort();
    for (const name of names) await writeFile(join(work, name), await readModule(paths.get(name)));
    await run("strip", ["--strip-debug", ...names], { cwd: work });
    return new Map(await Promise.all(names.map(async (name) => [name, await readFile(join(work, name))])));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
