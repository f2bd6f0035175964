import type { UnixMs } from "../domain/units.ts";

/** Time is a port, so that tests and the simulator decide it. */
export interface Clock {
  now(): UnixMs;
  /** Monotonic milliseconds, for durations */
  monotonic(): number;
  /** Resolves after `ms`; rejects with the signal's reason when aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** Calls `ring` once, after `ms`, unless the returned function is called first. For deadlines: cheaper than a sleep. */
  alarm(ms: number, ring: () => void): () => void;
}
