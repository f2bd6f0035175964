/**
 * How a guest ended. Worked out once from what is left (the status channel, the VMM's end, its own traces) and
 * written down, so that every later question gets the same answer.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type GuestExit, HOST_RESTARTED, POWERED_OFF, unixMs } from "@flintlock/core";
import { type GuestStatus, readGuestStatus } from "./guest-status.ts";
import { reportsState } from "./initrd.ts";
import { readBootId } from "./proc.ts";
import { readJson, writeJson } from "./vm-files.ts";
import type { ChildEnd, VmmIdentity } from "./vmm-process.ts";

const EXIT_FILE = "exit.json";
/** A shell's way to say "ended by signal n" */
const SIGNAL_BASE = 128;

export interface Ending {
  readonly directory: string;
  readonly identity: VmmIdentity;
  /** Undefined when another daemon started the VMM */
  readonly end: ChildEnd | undefined;
  /** Milliseconds since the epoch */
  readonly now: number;
  /** Whether the VMM has left the signs of an end in good order; asked when nobody saw its end */
  readonly endedWell: () => Promise<boolean>;
  /** Set by whoever ended the VMM by force */
  readonly reason?: string;
}

export interface Ended {
  readonly exit: GuestExit;
  /** It had come up; a guest that cannot report it counts as up once its VMM ran */
  readonly wasReady: boolean;
}

/** The guest's end, as first observed. */
export const guestExit = async (ending: Ending): Promise<Ended> => {
  const path = join(ending.directory, EXIT_FILE);
  const vmm = `${ending.identity.pid}/${ending.identity.startTime}`;
  const written = parseEnded(await readJson(path), vmm);
  if (written !== undefined) return written;
  const status = await readGuestStatus(ending.directory);
  const { code, reason } = await workOut(ending, status);
  const exit: GuestExit = { code, reason, at: unixMs(ending.now) };
  const wasReady = status.isReady || !(await reportsState(ending.directory));
  await writeJson(path, { vmm, ...exit, wasReady });
  return { exit, wasReady };
};

/** For a new start. */
export const forgetGuestExit = async (directory: string): Promise<void> =>
  await rm(join(directory, EXIT_FILE), { force: true });

const workOut = async (
  ending: Ending,
  { exitCode, error }: GuestStatus,
): Promise<{ code: number | undefined; reason: string }> => {
  if (exitCode !== undefined) return { code: exitCode, reason: processReason(exitCode) };
  const reason = (text: string): { code: undefined; reason: string } => ({ code: undefined, reason: text });
  if (error !== undefined) return reason(`guest failed at ${error.step}: ${error.message}`);
  if (ending.reason !== undefined) return reason(ending.reason);
  if (ending.identity.bootId !== (await readBootId())) return reason(HOST_RESTARTED);
  if (ending.end?.signal !== undefined) return reason(`VMM ended by ${ending.end.signal}`);
  if (ending.end?.code !== undefined && ending.end.code !== 0) {
    return reason(`VMM ended unexpectedly with status ${ending.end.code}`);
  }
  return reason((await ending.endedWell()) ? POWERED_OFF : "VMM ended unexpectedly");
};

const processReason = (code: number): string =>
  code > SIGNAL_BASE ? `process ended by signal ${code - SIGNAL_BASE}` : `process exited with ${code}`;

/** Of that VMM, not of one before it whose end was written down late. */
const parseEnded = (
  value: Readonly<Record<string, unknown>> | undefined,
  ofVmm: string,
): Ended | undefined => {
  const { vmm, code, reason, at, wasReady } = value ?? {};
  if (vmm !== ofVmm) return undefined;
  if (typeof reason !== "string" || typeof at !== "number" || typeof wasReady !== "boolean") return undefined;
  return { exit: { code: typeof code === "number" ? code : undefined, reason, at: unixMs(at) }, wasReady };
};
