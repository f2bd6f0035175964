/** Token buckets by key, of a bounded number of keys. */
import type { Rate } from "./access-rules.ts";

export interface Refused {
  /** Until there will be one */
  readonly waitMs: number;
  /** The first since the last that was granted: further ones are no news */
  readonly isFirst: boolean;
}

export interface TokenBuckets {
  /** Takes one; undefined when there was one. `nowMs` must not go back. */
  take(key: string, rate: Rate, nowMs: number): Refused | undefined;
  readonly size: number;
}

interface Bucket {
  tokens: number;
  atMs: number;
  isEmptyTold: boolean;
}

const MS_PER_SECOND = 1_000;

/** Beyond `maxKeys` the key that was used longest ago is forgotten, and starts full when it comes again. */
export const createTokenBuckets = (maxKeys: number): TokenBuckets => {
  const buckets = new Map<string, Bucket>();
  return {
    take: (key, { perSecond, burst }, nowMs) => {
      const bucket = buckets.get(key) ?? { tokens: burst, atMs: nowMs, isEmptyTold: false };
      // A Map keeps the order of insertion: the last used goes to the end
      buckets.delete(key);
      buckets.set(key, bucket);
      for (const oldest of buckets.keys()) {
        if (buckets.size <= maxKeys) break;
        buckets.delete(oldest);
      }
      const refill = ((nowMs - bucket.atMs) / MS_PER_SECOND) * perSecond;
      bucket.tokens = Math.min(burst, bucket.tokens + Math.max(0, refill));
      bucket.atMs = nowMs;
      if (bucket.tokens >= 1) {
        bucket.tokens -= 1;
        bucket.isEmptyTold = false;
        return undefined;
      }
      const isFirst = !bucket.isEmptyTold;
      bucket.isEmptyTold = true;
      return { waitMs: Math.ceil(((1 - bucket.tokens) / perSecond) * MS_PER_SECOND), isFirst };
    },
    get size() {
      return buckets.size;
    },
  };
};
