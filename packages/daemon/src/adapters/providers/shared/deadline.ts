import { setTimeout as sleep } from "node:timers/promises";
import { FlintlockError } from "@flintlock/core";

/** A signal for the length of a block: `using limit = deadline(signal, 500, "the boot")`. */
export interface Deadline extends Disposable {
  readonly signal: AbortSignal;
}

/** Aborts when `signal` does, or after `ms` with `deadline_exceeded` in the name of `what`. */
export const deadline = (signal: AbortSignal, ms: number, what: string): Deadline => {
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(signal.reason);
  const timer = setTimeout(() => {
    controller.abort(
      new FlintlockError("deadline_exceeded", `${what} took longer than ${Math.round(ms)} ms`),
    );
  }, ms);
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    },
  };
};

/** Resolves after `ms`; rejects with the signal's reason when that aborts first. */
export const pause = async (ms: number, signal: AbortSignal): Promise<void> => {
  try {
    await sleep(ms, undefined, { signal });
  } catch {
    throw signal.reason; // Node's own error would hide which deadline or caller it was.
  }
};

/** `promise`, or the signal's reason when that comes first; what `promise` does afterwards is nobody's concern. */
export const unlessAborted = async <T>(promise: Promise<T>, signal: AbortSignal): Promise<T> => {
  let abort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
};
