/** Where log lines go. Lines are written at once, so that the last one before a crash is there. */
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { FlintlockError } from "@flintlock/core";

export interface LogSink {
  /** Never throws: what cannot be written is lost, as a full disk must not end the daemon. */
  write(line: string): void;
  /** Opens a file anew, after it was renamed; when that fails, the old one stays. */
  reopen(): void;
}

export type SinkTarget =
  | { readonly kind: "stderr" | "stdout" }
  | { readonly kind: "file"; readonly path: string };

const OWNER_ONLY = 0o600;
/** Without waiting for a reader, should the path be a named pipe */
const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;

/** @throws FlintlockError `failed_precondition` – the file cannot be opened */
export const openSink = (target: SinkTarget): LogSink => {
  if (target.kind !== "file")
    return { write: writer(() => (target.kind === "stderr" ? 2 : 1)), reopen: () => {} };
  let file = openFile(target.path);
  return {
    write: writer(() => file),
    reopen: () => {
      const former = file;
      file = openFile(target.path);
      closeSync(former);
    },
  };
};

const openFile = (path: string): number => {
  try {
    return openSync(path, APPEND, OWNER_ONLY);
  } catch (cause) {
    throw new FlintlockError("failed_precondition", `the log ${path} cannot be opened`, {
      cause,
      hint: "name a file in a directory that exists, stderr or stdout",
    });
  }
};

const writer = (file: () => number): ((line: string) => void) => {
  let lost = 0;
  return (line) => {
    try {
      if (lost > 0) writeSync(file(), `${lost} log lines could not be written\n`);
      lost = 0;
      writeSync(file(), line);
    } catch {
      // Nobody is left to tell.
      lost += 1;
    }
  };
};
