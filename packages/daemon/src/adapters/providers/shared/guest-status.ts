/**
 * The guest's one-way status channel (docs/guest-protocol.md): a file in the VM's directory, one JSON object
 * per line. The guest is hostile: it may write anything, for ever. Lies harm only itself; length is bounded.
 */
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readTail } from "./bounded-log.ts";

export const STATUS_LOG = "status.log";
const MAX_LINE_BYTES = 512;
/** A guest of ours writes below 1 KiB in its whole life */
const MAX_READ_BYTES = 64 * 1024;
const MAX_MESSAGE_LENGTH = 300;

export interface GuestStatus {
  readonly isReady: boolean;
  readonly exitCode: number | undefined;
  readonly error: { readonly step: string; readonly message: string } | undefined;
}

/** What the guest has reported since its start; the first word on each matter counts. */
export const readGuestStatus = async (directory: string): Promise<GuestStatus> =>
  parseGuestStatus(await readTail(join(directory, STATUS_LOG), MAX_READ_BYTES));

/** Unknown events, long lines and lines that are not JSON are passed over. */
export const parseGuestStatus = (text: string): GuestStatus => {
  let status: GuestStatus = { isReady: false, exitCode: undefined, error: undefined };
  for (const line of text.split("\n")) status = heard(status, parseLine(line));
  return status;
};

/** Empties the channel's file, for a new start. */
export const clearGuestStatus = async (directory: string): Promise<void> => {
  const path = join(directory, STATUS_LOG);
  await writeFile(`${path}.tmp`, "", { mode: 0o600 });
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
