/**
 * What a VMM's process takes of the host, from `/proc/<pid>` (proc(5)) and its directory. No VMM is asked, so a VMM that
 * hangs is measured as well. The numbers of a process that is not ours to look at are left out.
 */
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { type MachineMetric, VMM_GROUP } from "@flintlock/core";
import { readBounded } from "./proc.ts";
import type { VmmIdentity } from "./vmm-process.ts";

const MAX_BYTES = 8192;
/** USER_HZ is 100 on every architecture we run on */
const MS_PER_TICK = 10;
/** A VM's directory holds a dozen files and two for each volume */
const MAX_FILES = 512;
/** st_blocks, whatever the file system's own block size is: inode(7) */
const BLOCK_BYTES = 512;

/** Empty when the process is gone, or when its pid is now another's. */
export const vmmMetrics = async (
  { pid, startTime }: VmmIdentity,
  directory: string,
): Promise<readonly MachineMetric[]> => {
  const [stat, status, io, files, diskBytes] = await Promise.all([
    readBounded(`/proc/${pid}/stat`, MAX_BYTES),
    readBounded(`/proc/${pid}/status`, MAX_BYTES),
    readBounded(`/proc/${pid}/io`, MAX_BYTES),
    countFiles(pid),
    allocatedBytes(directory),
  ]);
  const times = parseTimes(stat ?? "");
  if (times === undefined || times.startTime !== startTime) return [];
  return [
    counter(
      "cpu_milliseconds",
      times.ticks * MS_PER_TICK,
      "Processor time of the VMM process, guest included",
    ),
    gauge(
      "resident_bytes",
      kibibytes(status, "VmRSS"),
      "Resident memory of the VMM process, guest memory included",
    ),
    gauge("threads", numberOf(status, /^Threads:\t(\d{1,10})$/m), "Threads of the VMM process"),
    gauge("open_fds", files, "Open file descriptors of the VMM process"),
    counter(
      "storage_read_bytes",
      numberOf(io, /^read_bytes: (\d{1,20})$/m),
      "Bytes the VMM process had read from storage",
    ),
    counter(
      "storage_write_bytes",
      numberOf(io, /^write_bytes: (\d{1,20})$/m),
      "Bytes the VMM process had written to storage",
    ),
    gauge("disk_bytes", diskBytes, "Disk space that the microVM's directory takes: overlays, logs, sockets"),
  ].flatMap((metric) => metric ?? []);
};

/** Milliseconds of processor time of one thread of the process; undefined when it has no such thread. */
export const threadCpuMs = async (pid: number, thread: number): Promise<number | undefined> => {
  const times = parseTimes((await readBounded(`/proc/${pid}/task/${thread}/stat`, MAX_BYTES)) ?? "");
  return times === undefined ? undefined : times.ticks * MS_PER_TICK;
};

/** Times of `/proc/<pid>/stat`; the command's name in it may hold anything, so counting starts after its last ")". */
export const parseTimes = (
  text: string,
): { readonly ticks: number; readonly startTime: string } | undefined => {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [user, system, startTime] = [fields[11], fields[12], fields[19]];
  if (!isDigits(user) || !isDigits(system) || !isDigits(startTime)) return undefined;
  const ticks = Number(user) + Number(system);
  return Number.isSafeInteger(ticks * MS_PER_TICK) ? { ticks, startTime } : undefined;
};

const isDigits = (text: string | undefined): text is string => text !== undefined && /^\d{1,20}$/.test(text);

const numberOf = (text: string | undefined, pattern: RegExp): number | undefined => {
  const value = Number(text?.match(pattern)?.[1]);
  return Number.isSafeInteger(value) ? value : undefined;
};

const kibibytes = (text: string | undefined, field: string): number | undefined => {
  const value = numberOf(text, new RegExp(`^${field}:[\\t ]*(\\d{1,15}) kB$`, "m"));
  return value === undefined ? undefined : value * 1024;
};

const countFiles = async (pid: number): Promise<number | undefined> =>
  await readdir(`/proc/${pid}/fd`).then(
    (names) => names.length,
    () => undefined, // Gone, or another user's.
  );

/** What the files take, holes not counted; links are not followed. */
const allocatedBytes = async (directory: string): Promise<number | undefined> => {
  const names = await readdir(directory).catch(() => undefined);
  if (names === undefined) return undefined;
  const sizes = await Promise.all(
    names.slice(0, MAX_FILES).map((name) =>
      lstat(join(directory, name)).then(
        ({ blocks }) => blocks * BLOCK_BYTES,
        () => 0, // It went in the meantime.
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
};

const counter = (key: string, value: number | undefined, help: string): MachineMetric | undefined =>
  value === undefined ? undefined : { group: VMM_GROUP, key, value, kind: "counter", help };

const gauge = (key: string, value: number | undefined, help: string): MachineMetric | undefined =>
  value === undefined ? undefined : { group: VMM_GROUP, key, value, kind: "gauge", help };
