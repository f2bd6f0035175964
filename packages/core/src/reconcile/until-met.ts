/** Asks a guest again and again until a condition holds, within a time limit. */
import { FlintlockError, toFlintlockError } from "../domain/errors.ts";
import { shownCondition } from "../domain/guest-condition.ts";
import type { UnixMs } from "../domain/units.ts";
import { unlessAborted } from "../kit/unless-aborted.ts";
import type { Clock } from "../ports/clock.ts";
import type { ProbeAnswer } from "../ports/guest-probe.ts";

/** One question takes no longer: a guest that is silent is asked again. A command gets as long */
export const ATTEMPT_MS = 10_000;
/** Between two questions: short at first, for what is nearly there */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 1_000;
const PAUSE_GROWTH = 1.5;

export interface Asked {
  readonly condition: string;
  readonly ask: (signal: AbortSignal) => Promise<ProbeAnswer>;
  /** What to say of a question that got no answer */
  readonly silence: () => string;
  /** When it is given up, and after how long that is; undefined = only `signal` ends it. It is asked once in any case */
  readonly limit: { readonly until: UnixMs; readonly ms: number } | undefined;
}

/**
 * Each answer that differs from the one before; the last is that it is met.
 * @throws FlintlockError `deadline_exceeded` – with what was seen last; what makes it hopeless; or the signal's reason
 */
export async function* answersUntilMet(
  { condition, ask, silence, limit }: Asked,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<ProbeAnswer, void> {
  let pauseMs = FIRST_PAUSE_MS;
  let last: ProbeAnswer | undefined;
  for (;;) {
    const leftMs = limit === undefined ? ATTEMPT_MS : limit.until - clock.now();
    if (limit !== undefined && leftMs <= 0 && last !== undefined) throw overdue(condition, limit.ms, last);
    const ms = leftMs > 0 ? Math.min(ATTEMPT_MS, leftMs) : ATTEMPT_MS;
    const answer = await attempt({ ask, silence }, ms, clock, signal);
    if (answer.isMet || answer.seen !== last?.seen) yield answer;
    if (answer.isMet) return;
    if (answer.hopeless !== undefined) throw neverMet(condition, answer.hopeless);
    last = answer;
    const restMs = limit === undefined ? pauseMs : limit.until - clock.now();
    if (restMs > 0) await clock.sleep(Math.min(pauseMs, restMs), signal);
    pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * PAUSE_GROWTH);
  }
}

/** What goes wrong is an answer too: the guest may be on its way. */
const attempt = async (
  { ask, silence }: Pick<Asked, "ask" | "silence">,
  ms: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<ProbeAnswer> => {
  signal.throwIfAborted();
  const limit = new AbortController();
  const stop = (): void => limit.abort(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  const cancel = clock.alarm(ms, () => limit.abort(SUPERSEDED));
  try {
    return await unlessAborted(ask(limit.signal), limit.signal);
  } catch (thrown) {
    if (signal.aborted) throw signal.reason;
    if (limit.signal.aborted) return { isMet: false, seen: silence() };
    const error = toFlintlockError(thrown);
    const isNever = error.code === "unsupported" || error.code === "internal";
    return { isMet: false, seen: error.message, ...(isNever && { hopeless: error }) };
  } finally {
    cancel();
    signal.removeEventListener("abort", stop);
    limit.abort(SUPERSEDED);
  }
};

const SUPERSEDED = new FlintlockError("canceled", "the question is over");

const neverMet = (condition: string, { code, message, hint }: FlintlockError): FlintlockError =>
  new FlintlockError(code, `${shownCondition(condition)} will not be met: ${message}`, {
    hint,
    detail: { condition: shownCondition(condition) },
  });

const overdue = (condition: string, ms: number, { seen }: ProbeAnswer): FlintlockError =>
  new FlintlockError(
    "deadline_exceeded",
    `${shownCondition(condition)} was not met within ${Math.round(ms / 100) / 10} s; last seen: ${seen}`,
    { detail: { condition: shownCondition(condition) } },
  );
