/** The user's terminal: whether there is one, its size, and raw mode that is always given back. */
import { readFileSync } from "node:fs";
import type { Io } from "./io.ts";

export interface Size {
  readonly rows: number;
  readonly columns: number;
}

/** Both ends are terminals, and we may use them. */
export const isInteractive = (io: Io): boolean =>
  io.stdin.isTTY === true && io.stdout.isTTY === true && isForeground();

/** Reading the terminal from the background would stop us (SIGTTIN). */
export const mayReadInput = (io: Io): boolean => io.stdin.isTTY !== true || isForeground();

/** proc(5), `/proc/self/stat`: field 5 is our process group, field 8 the terminal's foreground group. */
const isForeground = (): boolean => {
  try {
    const stat = readFileSync("/proc/self/stat", "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[2] === fields[5];
  } catch {
    // No /proc: assume the usual case.
    return true;
  }
};

export const terminalSize = (io: Io): Size | undefined => {
  const { rows, columns } = io.stdout;
  return rows && columns ? { rows, columns } : undefined;
};

/** Calls `listener` at each change of size until the returned function is called. */
export const onResize = (io: Io, listener: (size: Size) => void): (() => void) => {
  const changed = () => {
    const size = terminalSize(io);
    if (size !== undefined) listener(size);
  };
  io.stdout.on("resize", changed);
  return () => {
    io.stdout.removeListener("resize", changed);
  };
};

/**
 * Keys go to the guest as they are typed. The returned function gives the terminal back; so does the end of
 * the process, whatever brings it about. After a stop and `fg`, raw mode returns with us.
 */
export const enterRawMode = (io: Io): (() => void) => {
  const set = (isRaw: boolean) => {
    try {
      io.stdin.setRawMode?.(isRaw);
    } catch {
      // The terminal is gone (EIO after a hang-up): nothing is left to restore.
    }
  };
  // libuv believes that raw mode is still on, and would not set it again.
  const resume = () => {
    set(false);
    set(true);
  };
  const restore = () => {
    process.off("exit", restore);
    io.signals.off("SIGCONT", resume);
    set(false);
  };
  set(true);
  process.on("exit", restore);
  io.signals.on("SIGCONT", resume);
  return restore;
};
