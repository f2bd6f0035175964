/** A guest that stood still has a wall clock that did so too, unless its kernel's clock is the host's. */
import { AGENT_PORT, FlintlockError, type Log, type MachineRef } from "@flintlock/core";
import { setClock } from "../../guest/agent.ts";
import { deadline } from "./deadline.ts";
import { readGuestStatus } from "./guest-status.ts";
import { reportsState } from "./initrd.ts";
import type { VmmDriver } from "./vmm-driver.ts";

/** An agent answers in milliseconds; the guest runs meanwhile, whether it answers or not */
const TIMEOUT_MS = 5000;

export interface ClockParts {
  readonly driver: Pick<VmmDriver, "connect">;
  readonly now: () => number;
  readonly log: Log;
}

/** Sets the clock of a guest of ours that has an agent; what another's does, we cannot. */
export const catchUpClock = async (
  ref: MachineRef,
  { driver, now, log }: ClockParts,
  signal: AbortSignal,
): Promise<void> => {
  const hasAgent = (await reportsState(ref.directory)) && (await readGuestStatus(ref.directory)).isReady;
  if (!hasAgent) return;
  using limit = deadline(signal, TIMEOUT_MS, "setting the guest's clock");
  try {
    const stream = await driver.connect(ref, AGENT_PORT, limit.signal);
    limit.signal.addEventListener("abort", () => void stream[Symbol.asyncDispose](), { once: true });
    await setClock(stream, now());
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof FlintlockError)) throw error;
    log.warn("the guest's clock was not set after its pause", { uid: ref.uid, error: error.message });
  }
};
