/** Waits for conditions of a guest, one after the other, on behalf of a caller. */
import { FlintlockError, invalidField, toFlintlockError } from "../domain/errors.ts";
import { parseCondition, parseConditions } from "../domain/guest-condition.ts";
import type { MicroVM } from "../domain/microvm.ts";
import { type Uid, unixMs } from "../domain/units.ts";
import type { Clock } from "../ports/clock.ts";
import type { GuestProbe, OpenGuestPort, ProbeAnswer } from "../ports/guest-probe.ts";
import { answersUntilMet } from "../reconcile/until-met.ts";
import type { ProbeReport, ProbeRequest } from "./api.ts";

/** A day */
export const MAX_PROBE_SECONDS = 86_400;

export interface ProbeParts {
  readonly probe: GuestProbe;
  readonly clock: Clock;
  /** Waits until its guest can be talked to. @throws FlintlockError – it will not be, by itself */
  whenRunning(uid: Uid, signal: AbortSignal): Promise<MicroVM>;
  isPending(uid: Uid): boolean;
  openerOf(vm: MicroVM): OpenGuestPort;
}

/** @throws FlintlockError `invalid_spec`; `deadline_exceeded`; `failed_precondition` – it does not run, nor will */
export async function* probeGuest(
  { probe, clock, whenRunning, isPending, openerOf }: ProbeParts,
  uid: Uid,
  { conditions, timeoutSeconds }: ProbeRequest,
  signal: AbortSignal,
): AsyncGenerator<ProbeReport> {
  const texts = parseConditions(conditions, "conditions");
  if (!Number.isInteger(timeoutSeconds) || timeoutSeconds < 0 || timeoutSeconds > MAX_PROBE_SECONDS) {
    throw invalidField("timeout_seconds", `must be 1 to ${MAX_PROBE_SECONDS}, or 0 for no limit`);
  }
  const ms = timeoutSeconds * 1000;
  const limit = ms === 0 ? undefined : { ms, until: unixMs(clock.now() + ms) };
  for (const [index, condition] of texts.entries()) {
    const parsed = parseCondition(condition, `conditions[${index}]`);
    const ask = async (attempt: AbortSignal): Promise<ProbeAnswer> => {
      const vm = await whenRunning(uid, attempt).catch((error: unknown) => toFlintlockError(error));
      if (!(vm instanceof FlintlockError)) return probe.ask(parsed, openerOf(vm), attempt);
      return { isMet: false, seen: vm.message, hopeless: vm };
    };
    const silence = () => (isPending(uid) ? "the microVM is pending" : "the guest does not answer");
    const asked = { condition, ask, silence, limit };
    for await (const { isMet, seen } of answersUntilMet(asked, clock, signal)) {
      yield { condition, isMet, seen };
    }
  }
}
