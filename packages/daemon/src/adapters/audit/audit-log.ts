/** Where it is kept who did what: a file of JSON lines, or the ordinary log. */
import { closeSync, constants, fchmodSync, fstatSync, openSync, writeSync } from "node:fs";
import { FlintlockError, type Log } from "@flintlock/core";

export interface AuditEntry {
  /** A change and how it ended, or something that was not allowed */
  readonly event: "operation" | "refused";
  readonly listener: string;
  /** `address:port`; absent on a Unix socket */
  readonly peer?: string;
  /** Absent when it could not be told */
  readonly caller?: string;
  readonly role?: string;
  readonly operation: string;
  readonly namespace?: string;
  readonly id?: string;
  readonly uid?: string;
  readonly image?: string;
  /** `ok`, or an error code of ours */
  readonly code: string;
  /** Why it was refused */
  readonly reason?: string;
}

export interface AuditLog {
  /** Never throws: what cannot be written is told to the ordinary log, and the call goes on. */
  write(entry: AuditEntry): void;
  /** Opens the file anew, after a rotation moved it. */
  reopen(): void;
  close(): void;
}

const OWNER_ONLY = 0o600;
// Not a link that somebody laid, and no pipe that would keep us waiting
const FLAGS =
  constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** @throws FlintlockError `failed_precondition` – the file cannot be opened for appending */
export const openAuditFile = (path: string, log: Log): AuditLog => {
  let file = openFile(path);
  return {
    write: (entry) => {
      try {
        writeSync(file, `${JSON.stringify({ time: new Date().toISOString(), ...entry })}\n`);
      } catch (error) {
        log.error("the audit log cannot be written", { path, reason: String(error), ...entry });
      }
    },
    reopen: () => {
      try {
        const next = openFile(path);
        closeSync(file);
        file = next;
      } catch (error) {
        log.error("the audit log cannot be opened anew, the old file stays", { path, reason: String(error) });
      }
    },
    close: () => closeSync(file),
  };
};

/** Entries as lines of the ordinary log, told apart by `component`. */
export const auditInLog = (log: Log): AuditLog => {
  const audit = log.child({ component: "audit" });
  return {
    write: (entry) => audit.info(entry.event, { ...entry }),
    reopen: () => undefined,
    close: () => undefined,
  };
};

const openFile = (path: string): number => {
  let file: number | undefined;
  try {
    file = openSync(path, FLAGS, OWNER_ONLY);
    if (!fstatSync(file).isFile()) throw new Error("it is not a file");
    // One that was made by somebody else, or by a daemon with another idea
    fchmodSync(file, OWNER_ONLY);
    return file;
  } catch (cause) {
    if (file !== undefined) closeSync(file);
    throw new FlintlockError("failed_precondition", `audit log ${path} cannot be opened`, { cause });
  }
};
