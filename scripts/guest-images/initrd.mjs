/** The initrd: our init, the kernel's modules, and the empty directories they need. */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { CHARACTER_DEVICE, cpio, directory, file, padding } from "./archives.mjs";
import { collectModules } from "./modules.mjs";
import { run } from "./run.mjs";

/** No -Werror: a compiler newer than ours may warn of more. `make -C guest` is strict. */
const C_FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-static", "-Os", "-s", "-Wall", "-Wextra"];

/** Kernel headers behind musl's own. */
const headers = (multiarch) => ["-idirafter", "/usr/include", "-idirafter", `/usr/include/${multiarch}`];

/** Compiles guest/init into one static program. */
export async function compileInit(sources, multiarch, version) {
  const work = await mkdtemp(join(tmpdir(), "flintlock-init-"));
  try {
    const files = (await readdir(sources)).filter((name) => name.endsWith(".c")).sort();
    const output = join(work, "init");
    const define = `-DFLINTLOCK_VERSION="${version}"`;
    await run("musl-gcc", [...C_FLAGS, define, ...headers(multiarch), ...files, "-o", output], {
      cwd: sources,
    });
    return await readFile(output);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/**
 * A gzip'ed cpio, padded with zeros: the provider appends the machine's own files as a second archive, and the kernel
 * looks for one at multiples of 4 only.
 */
export async function buildInitrd(init, tree, release) {
  const { index, files } = await collectModules(tree, release);
  const archive = cpio([
    ...["dev", "proc", "sys", "root", "lib", "lib/modules"].map((name) => directory(name)),
    { name: "dev/console", mode: CHARACTER_DEVICE | 0o600, rdev: [5, 1] },
    file("init", init, 0o755),
    file("lib/modules/index", index),
    ...[...files].map(([name, data]) => file(`lib/modules/${name}`, data)),
  ]);
  const compressed = gzipSync(archive, { level: 9 });
  return Buffer.concat([compressed, padding(compressed.length, 512)]);
}
