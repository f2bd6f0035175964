/** Whether a provider works on this host, within a time limit. */
import type { Clock } from "../ports/clock.ts";
import type { Availability, Provider } from "../ports/provider.ts";

/** The first question may run a program, or a guest; then the provider knows */
const ANSWER_MS = 30_000;
/** Answers this young are given again: one that does not work looks for its program each time, and requests come in floods */
const FRESH_MS = 1_000;

interface Asked {
  readonly at: number;
  readonly answer: Promise<Availability>;
}

const lastAsked = new WeakMap<Provider, Asked>();

/** Never throws. */
export const availabilityOf = (provider: Provider, clock: Clock): Promise<Availability> => {
  const now = clock.monotonic();
  const last = lastAsked.get(provider);
  if (last !== undefined && now - last.at < FRESH_MS) return last.answer;
  const answer = ask(provider, clock);
  lastAsked.set(provider, { at: now, answer });
  return answer;
};

const ask = async (provider: Provider, clock: Clock): Promise<Availability> => {
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
