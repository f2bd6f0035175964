import { access, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  encodeLogTimes,
  type Log,
  type LogTimes,
  NO_LOG_TIMES,
  noteCut,
  noteSize,
  parseLogTimes,
  unixMs,
} from "@flintlock/core";
import { boundLog, DEFAULT_LOG_BOUNDS, type LogBounds } from "./bounded-log.ts";

/** What a guest can write in this time is how far a log may exceed its bound at first */
const INTERVAL_MS = 1_000;
/** And so far while it goes on like that */
const FLOOD_INTERVAL_MS = 100;

export interface LogWatch {
  /** From now on the files of this VM directory are kept in bounds, until it is gone. */
  add(directory: string): void;
  stop(): void;
}

/**
 * Keeps the files named in `bounds` small, in every directory it is told of, and beside each, as `<name>.times`, when its
 * bytes came and how many of them are gone (core, log-times.ts).
 */
export const watchLogs = (
  bounds: Readonly<Record<string, LogBounds | undefined>>,
  log: Log,
  intervalMs: number = INTERVAL_MS,
): LogWatch => {
  const directories = new Set<string>();
  const timesOf = new Map<string, LogTimes>();
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;

  let isFlooded = false;
  const check = async (directory: string): Promise<void> => {
    if (!(await exists(directory))) {
      directories.delete(directory);
      for (const name of Object.keys(bounds)) timesOf.delete(join(directory, name));
      return;
    }
    for (const [name, limits] of Object.entries(bounds)) {
      await look(join(directory, name), limits ?? DEFAULT_LOG_BOUNDS);
    }
  };
  const look = async (path: string, limits: LogBounds): Promise<void> => {
    const known = timesOf.get(path) ?? (await readLogTimes(path)) ?? NO_LOG_TIMES;
    const found = await stat(path).catch(() => undefined);
    if (found === undefined) return;
    const note = async (times: LogTimes): Promise<void> => {
      timesOf.set(path, times);
      // Where even that finds no room, the more must be cut.
      await writeLogTimes(path, times).catch((error: unknown) =>
        log.warn("the times of a log cannot be kept", { path, error: String(error) }),
      );
    };
    const now = noteSize(known, found.size, unixMs(Math.floor(found.mtimeMs)));
    if (now !== known) await note(now);
    const cut = await boundLog(path, limits, () => note({ ...now, isBeingCut: true }));
    if (cut === undefined) return;
    isFlooded = true;
    await note(noteCut(now, cut));
  };
  const checkAll = async (): Promise<void> => {
    isFlooded = false;
    for (const directory of [...directories]) {
      await check(directory).catch((error: unknown) =>
        log.error("a log cannot be kept in bounds", { directory, error: String(error) }),
      );
    }
    schedule();
  };
  const schedule = (): void => {
    const ms = isFlooded ? Math.min(intervalMs, FLOOD_INTERVAL_MS) : intervalMs;
    if (!isStopped) timer = setTimeout(() => void checkAll(), ms).unref();
  };
  schedule();
  return {
    add: (directory) => void directories.add(directory),
    stop: () => {
      isStopped = true;
      clearTimeout(timer);
    },
  };
};

const readLogTimes = async (path: string): Promise<LogTimes | undefined> =>
  parseLogTimes(await readFile(`${path}.times`, "utf8").catch(() => ""));

const writeLogTimes = async (path: string, times: LogTimes): Promise<void> => {
  await writeFile(`${path}.times.tmp`, encodeLogTimes(times), { mode: 0o600 });
  await rename(`${path}.times.tmp`, `${path}.times`);
};

const exists = async (path: string): Promise<boolean> =>
  await access(path).then(
    () => true,
    () => false,
  );
