import { access } from "node:fs/promises";
import { join } from "node:path";
import type { Log } from "@flintlock/core";
import { boundLog, DEFAULT_LOG_BOUNDS, type LogBounds } from "./bounded-log.ts";

/** What a guest can write in this time is how far a log may exceed its bound. */
const INTERVAL_MS = 1_000;

export interface LogWatch {
  /** From now on the files of this VM directory are kept in bounds, until it is gone. */
  add(directory: string): void;
  stop(): void;
}

/** Keeps the files named in `bounds` small, in every directory it is told of. */
export const watchLogs = (
  bounds: Readonly<Record<string, LogBounds | undefined>>,
  log: Log,
  intervalMs: number = INTERVAL_MS,
): LogWatch => {
  const directories = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;

  const check = async (directory: string): Promise<void> => {
    if (!(await exists(directory))) {
      directories.delete(directory);
      return;
    }
    for (const [name, limits] of Object.entries(bounds)) {
      await boundLog(join(directory, name), limits ?? DEFAULT_LOG_BOUNDS);
    }
  };
  const checkAll = async (): Promise<void> => {
    for (const directory of [...directories]) {
      await check(directory).catch((error: unknown) =>
        log.error("a log cannot be kept in bounds", { directory, error: String(error) }),
      );
    }
    schedule();
  };
  const schedule = (): void => {
    if (!isStopped) timer = setTimeout(() => void checkAll(), intervalMs).unref();
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

const exists = async (path: string): Promise<boolean> =>
  await access(path).then(
    () => true,
    () => false,
  );
