/**
 * Ends a machine: the guest is asked (through the agent, or by the power button where the guest is a
 * stranger), then its VMM, then the kernel. Each has its share of the grace period; whoever is deaf is skipped.
 */
import { AGENT_PORT, FlintlockError, type Log, type MachineRef } from "@flintlock/core";
import { poweroff } from "../../guest/agent.ts";
import { deadline, pause } from "./deadline.ts";
import { readGuestStatus } from "./guest-status.ts";
import type { VmmDriver } from "./vmm-driver.ts";
import type { VmmIdentity, VmmProcesses } from "./vmm-process.ts";

/** An agent answers in milliseconds, on a host with sixteen busy guests in seconds */
const MAX_ASK_MS = 10_000;
/** Of the grace period, for the guest to answer; the rest is for it to do as it said */
const ASK_SHARE = 0.5;
/** Of the grace period, kept for the VMM to flush its disks after TERM */
const VMM_SHARE = 0.2;
const MAX_VMM_SHARE_MS = 2000;

export interface ShutdownParts {
  readonly processes: VmmProcesses;
  readonly driver: Pick<VmmDriver, "connect" | "pressPowerButton" | "isPaused">;
  readonly log: Log;
}

/** Resolves to whether the guest ended by itself. */
export const shutDown = async (
  ref: MachineRef,
  identity: VmmIdentity,
  guest: { readonly isOurs: boolean; readonly graceMs: number },
  parts: ShutdownParts,
  signal: AbortSignal,
): Promise<boolean> => {
  const vmmMs = Math.min(MAX_VMM_SHARE_MS, guest.graceMs * VMM_SHARE);
  const end = performance.now() + guest.graceMs - vmmMs;
  // A guest that stands still hears nothing.
  const listens = guest.graceMs > 0 && !(await parts.driver.isPaused(ref, identity));
  if (listens && (await ask(ref, guest.isOurs, end, parts, signal))) {
    if (await endsBefore(identity, end, parts.processes, signal)) return true;
    parts.log.warn("the guest did not power off in time", { uid: ref.uid, graceMs: guest.graceMs });
  }
  await parts.processes.terminate(identity, vmmMs, signal);
  return false;
};

/** Whether the guest has heard, as far as one can know: then it is worth waiting for. */
const ask = async (
  ref: MachineRef,
  isOurs: boolean,
  end: number,
  { driver, log }: ShutdownParts,
  signal: AbortSignal,
): Promise<boolean> => {
  using limit = deadline(
    signal,
    Math.min(MAX_ASK_MS, (end - performance.now()) * ASK_SHARE),
    "asking the guest",
  );
  try {
    if (!isOurs) {
      // True even when nobody in the guest listens for the button: that cannot be seen.
      await driver.pressPowerButton(ref, limit.signal);
      return true;
    }
    // Before it is ready nobody listens, and nothing is there to lose.
    if (!(await readGuestStatus(ref.directory)).isReady) return false;
    const stream = await driver.connect(ref, AGENT_PORT, limit.signal);
    const stop = (): void => void stream[Symbol.asyncDispose]();
    limit.signal.addEventListener("abort", stop, { once: true });
    await poweroff(stream);
    return true;
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof FlintlockError)) throw error;
    log.warn("the guest cannot be asked to power off", {
      uid: ref.uid,
      code: error.code,
      error: error.message,
    });
    return false;
  }
};

const endsBefore = async (
  identity: VmmIdentity,
  end: number,
  processes: VmmProcesses,
  signal: AbortSignal,
): Promise<boolean> => {
  while (await processes.isAlive(identity)) {
    if (performance.now() >= end) return false;
    await pause(25, signal);
  }
  return true;
};
