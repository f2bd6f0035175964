/** Whether a provider works on this host, within a time limit. */
import type { Clock } from "../ports/clock.ts";
import type { Availability, Provider } from "../ports/provider.ts";

/** The first question may run a program, or a guest; the answer is kept */
const ANSWER_MS = 30_000;

/** Never throws. */
export const availabilityOf = async (provider: Provider, clock: Clock): Promise<Availability> => {
  const control = new AbortController();
  const silence = clock.alarm(ANSWER_MS, () => control.abort(new Error("it does not answer in time")));
  try {
    return await provider.availability(control.signal);
  } catch (error) {
    return { isUsable: false, reason: error instanceof Error ? error.message : String(error) };
  } finally {
    silence();
  }
};
