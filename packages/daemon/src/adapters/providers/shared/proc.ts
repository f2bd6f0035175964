/**
 * What `/proc` says of one process. See proc(5).
 *
 * A pid alone names nobody: the kernel hands it out again. Pid, start time and boot id together do.
 */
import { readFileSync, readlinkSync, statSync } from "node:fs";
import { open, readdir } from "node:fs/promises";

/** `stat` and `status` are below 2 KiB; the rest is refused unread */
const MAX_STAT_BYTES = 8192;
/** A QEMU command line of ours is below 16 KiB; a process may make its own as long as it likes */
const MAX_CMDLINE_BYTES = 128 * 1024;
/** USER_HZ: part of the kernel's ABI, 100 on every architecture we run on */
const TICKS_PER_SECOND = 100;

export interface ProcessStat {
  readonly pid: number;
  /** At most 15 bytes, chosen by the process: may hold spaces, parentheses, anything */
  readonly comm: string;
  /** One letter; `Z` and `X` are dead */
  readonly state: string;
  readonly parent: number;
  /** Clock ticks between the host's boot and the process's start */
  readonly startTime: string;
}

/** Parses `/proc/<pid>/stat`; undefined when it is not one. */
export const parseStat = (text: string): ProcessStat | undefined => {
  const open = text.indexOf("(");
  // The command may itself contain ")": the last one ends it, for only numbers and a letter follow.
  const close = text.lastIndexOf(")");
  if (open < 2 || close < open) return undefined;
  const pid = Number(text.slice(0, open - 1));
  const fields = text.slice(close + 2).split(" ");
  const [state, parent] = fields;
  const startTime = fields[19];
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  if (state === undefined || !/^[A-Za-z]$/.test(state)) return undefined;
  if (parent === undefined || !/^\d{1,10}$/.test(parent)) return undefined;
  if (startTime === undefined || !/^\d{1,20}$/.test(startTime)) return undefined;
  return { pid, comm: text.slice(open + 1, close), state, parent: Number(parent), startTime };
};

/** The live process `pid`, or undefined: gone, or a zombie that only waits to be reaped. */
export const readStat = async (pid: number): Promise<ProcessStat | undefined> =>
  alive(parseStat((await readBounded(`/proc/${pid}/stat`, MAX_STAT_BYTES)) ?? ""));

/** The same at once, for the moment after a spawn: before the event loop turns, nobody can have reaped it. */
export const readStatSync = (pid: number): ProcessStat | undefined => {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return undefined; // It never came to be.
  }
};

/** Arguments of `pid`; empty when it is gone, a kernel thread or a zombie. Bounded: the end may be missing. */
export const readCmdline = async (pid: number): Promise<readonly string[]> => {
  const text = await readBounded(`/proc/${pid}/cmdline`, MAX_CMDLINE_BYTES);
  return text === undefined || text === "" ? [] : text.replace(/\0$/, "").split("\0");
};

/** Effective user id of `pid`. */
export const readEuid = async (pid: number): Promise<number | undefined> => {
  const text = await readBounded(`/proc/${pid}/status`, MAX_STAT_BYTES);
  const match = text?.match(/^Uid:\t\d+\t(\d+)\t/m);
  return match?.[1] === undefined ? undefined : Number(match[1]);
};

/** Working directory of `pid`; undefined when it is gone or not ours to look at. One system call, never waited for. */
export const readCwdSync = (pid: number): string | undefined => {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined;
  }
};

/** Device and inode of what `path` leads to, the same under each of its names; undefined as above. */
export const identifySync = (path: string): string | undefined => {
  try {
    const { dev, ino } = statSync(path);
    return `${dev}/${ino}`;
  } catch {
    return undefined;
  }
};

/** Every process there is now. */
export const listPids = async (): Promise<readonly number[]> =>
  (await readdir("/proc")).filter((name) => /^[1-9]\d{0,9}$/.test(name)).map(Number);

/** Differs after each boot of the host. */
export const readBootId = async (): Promise<string> =>
  ((await readBounded("/proc/sys/kernel/random/boot_id", 64)) ?? "").trim();

/** How long ago a process with this `startTime` started, in ms. */
export const ageMs = async (startTime: string): Promise<number> => {
  const uptime = Number(((await readBounded("/proc/uptime", 128)) ?? "").split(" ")[0]);
  const age = uptime * 1000 - (Number(startTime) / TICKS_PER_SECOND) * 1000;
  return Number.isFinite(age) ? Math.max(0, age) : 0;
};

const alive = (stat: ProcessStat | undefined): ProcessStat | undefined =>
  stat === undefined || stat.state === "Z" || stat.state === "X" ? undefined : stat;

/** Undefined when the process is gone, or when the kernel does not let us look. */
export const readBounded = async (path: string, limit: number): Promise<string | undefined> => {
  try {
    await using file = await open(path, "r");
    const buffer = Buffer.alloc(limit);
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, length, limit - length, null);
      length += bytesRead;
      if (bytesRead === 0 || length === limit) return buffer.toString("latin1", 0, length);
    }
  } catch (error) {
    if (isErrno(error, "ENOENT", "ESRCH", "EACCES", "EPERM")) return undefined;
    throw error;
  }
};

const isErrno = (error: unknown, ...codes: readonly string[]): boolean =>
  error instanceof Error && "code" in error && codes.includes(String(error.code));
