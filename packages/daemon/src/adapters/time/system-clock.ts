import { setTimeout } from "node:timers/promises";
import { type Clock, unixMs } from "@flintlock/core";

/** The largest delay that Node's timers take: about 24.8 days. */
const MAX_DELAY_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => unixMs(Date.now()),
  monotonic: () => performance.now(),
  async sleep(ms, signal) {
    for (let left = ms; left > 0; left -= MAX_DELAY_MS) {
      await setTimeout(Math.min(left, MAX_DELAY_MS), undefined, { signal });
    }
    signal.throwIfAborted();
  },
  alarm(ms, ring) {
    const timer = globalThis.setTimeout(ring, Math.min(ms, MAX_DELAY_MS));
    return () => clearTimeout(timer);
  },
};
