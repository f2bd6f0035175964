/** What these tests need from the machine, and the programs of others they check our disks with. */
import { execFile, execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);
const SYSTEM_PATH = "/usr/sbin:/sbin:/usr/bin:/bin:/usr/local/bin";

export const run = (program: string, ...args: readonly string[]) =>
  execute(program, args, { maxBuffer: 256 * 1024 * 1024, env: { PATH: SYSTEM_PATH, LC_ALL: "C" } });

/** A directory of its own for the life of the scope: `await using scratch = await makeScratch()`. */
export const makeScratch = async () => {
  const path = await mkdtemp(join(tmpdir(), "flintlock-disk-"));
  return {
    path,
    in: (...names: readonly string[]): string => join(path, ...names),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
};
export type Scratch = Awaited<ReturnType<typeof makeScratch>>;

/** False, or the reason why disks cannot be mounted here. */
export const cannotMount = (): string | false => {
  if (process.getuid?.() !== 0) return "mounting a disk image needs root";
  try {
    execFileSync("losetup", ["--find"], { stdio: "ignore", env: { PATH: SYSTEM_PATH } });
    return false;
  } catch {
    return "this host has no loop devices";
  }
};

/** False, or the reason why there is no independent unpacker to compare with. */
export const cannotUnpack = (): string | false => {
  if (process.getuid?.() !== 0) return "unpacking owners and devices needs root";
  try {
    execFileSync("umoci", ["--version"], { stdio: "ignore", env: { PATH: SYSTEM_PATH } });
    return false;
  } catch {
    return "umoci is not installed";
  }
};

/** Fails unless `e2fsck -fn` finds nothing at all to say against the disk. */
export const checkDisk = async (disk: string): Promise<void> => {
  await run("e2fsck", "-fn", disk);
};

/** The disk, mounted for the life of the scope. */
export const mountDisk = async (disk: string, scratch: Scratch, options = "loop,ro") => {
  const path = scratch.in(`mount-${Math.random().toString(36).slice(2)}`);
  await mkdir(path);
  await run("mount", "-o", options, disk, path);
  return { path, [Symbol.asyncDispose]: () => run("umount", path).then(() => {}) };
};
