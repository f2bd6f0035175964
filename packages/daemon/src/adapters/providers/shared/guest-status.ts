/**
 * The guest's one-way status channel (docs/guest-protocol.md): a file in the VM's directory, one JSON object
 * per line. The VMM appends to it what comes from a virtio-serial port, or it is a small disk of the guest's.
 * The guest is hostile: it may write anything, for ever. Lies harm only itself; length is bounded.
 */
import { rename, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readTail } from "./bounded-log.ts";

export const STATUS_LOG = "status.log";
const MAX_LINE_BYTES = 512;
/** A guest of ours writes below 1 KiB in its whole life */
const MAX_READ_BYTES = 64 * 1024;
/** No more than is read: the lines stand at the disk's beginning */
export const STATUS_DISK_BYTES = MAX_READ_BYTES;
const MAX_MESSAGE_LENGTH = 300;

export interface GuestStatus {
  readonly isReady: boolean;
  readonly exitCode: number | undefined;
  readonly error: { readonly step: string; readonly message: string } | undefined;
}

/** What the guest has reported since its start; the first word on each matter counts. */
export const readGuestStatus = async (directory: string): Promise<GuestStatus> =>
  parseGuestStatus(await readTail(join(directory, STATUS_LOG), MAX_READ_BYTES));

/** Unknown events, long lines and lines that are not JSON are passed over; a NUL ends the text, as on a disk. */
export const parseGuestStatus = (text: string): GuestStatus => {
  let status: GuestStatus = { isReady: false, exitCode: undefined, error: undefined };
  const [written = ""] = text.split("\0", 1);
  for (const line of written.split("\n")) status = heard(status, parseLine(line));
  return status;
};

/** Empties the channel's file, for a new start. */
export const clearGuestStatus = async (directory: string): Promise<void> => await makeStatus(directory, 0);

/** As `clearGuestStatus`, for a guest that has the file as its raw disk (`GuestConfig.status`). Never cut it (log-watch). */
export const clearStatusDisk = async (directory: string): Promise<void> =>
  await makeStatus(directory, STATUS_DISK_BYTES);

const makeStatus = async (directory: string, bytes: number): Promise<void> => {
  const path = join(directory, STATUS_LOG);
  await writeFile(`${path}.tmp`, "", { mode: 0o600 });
  await truncate(`${path}.tmp`, bytes);
  await rename(`${path}.tmp`, path);
};

const heard = (status: GuestStatus, event: Readonly<Record<string, unknown>>): GuestStatus => {
  switch (event["event"]) {
    case "ready":
      return { ...status, isReady: true };
    case "exit": {
      const code = event["code"];
      const isCode = typeof code === "number" && Number.isInteger(code) && code >= 0 && code <= 255;
      return { ...status, exitCode: status.exitCode ?? (isCode ? code : undefined) };
    }
    case "error":
      return {
        ...status,
        error: status.error ?? { step: printable(event["step"]), message: printable(event["message"]) },
      };
    default:
      return status;
  }
};

const parseLine = (line: string): Readonly<Record<string, unknown>> => {
  if (line === "" || line.length > MAX_LINE_BYTES) return {};
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  } catch {
    return {}; // Not JSON: the guest's own affair.
  }
};

/** Fit for a log line and a terminal: no control characters, a bounded length. */
const printable = (value: unknown): string =>
  typeof value === "string" ? value.replace(/\p{C}+/gu, " ").slice(0, MAX_MESSAGE_LENGTH) : "unknown";
