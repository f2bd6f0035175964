import { expect, test } from "vitest";
import { createTokenBuckets } from "./token-buckets.ts";

const rate = { perSecond: 2, burst: 3 };

test("a burst, then as many as the rate gives, and what is told is how long to wait", () => {
  const buckets = createTokenBuckets(10);
  const take = (ms: number) => buckets.take("ci", rate, ms);
  expect([take(0), take(0), take(0)]).toEqual([undefined, undefined, undefined]);
  expect(take(0)).toEqual({ waitMs: 500, isFirst: true });
  expect(take(100)).toEqual({ waitMs: 400, isFirst: false });
  expect([take(500), take(500)?.isFirst]).toEqual([undefined, true]);
  // A long rest fills it, and not beyond
  expect([0, 1, 2].map(() => take(60_000))).toEqual([undefined, undefined, undefined]);
  expect(take(60_000)?.waitMs).toBe(500);
});

test("keys do not share, and no more are kept than allowed: the one used longest ago goes", () => {
  const buckets = createTokenBuckets(2);
  const one = { perSecond: 1, burst: 1 };
  expect([buckets.take("a", one, 0), buckets.take("b", one, 0)]).toEqual([undefined, undefined]);
  expect(buckets.take("a", one, 0)).toBeDefined();
  buckets.take("c", one, 0);
  expect(buckets.size).toBe(2);
  expect(buckets.take("a", one, 0)).toBeDefined();
  for (let n = 0; n < 1_000; n += 1) buckets.take(`key-${n}`, one, 0);
  expect(buckets.size).toBe(2);
});

test("a rate that changes counts from then on", () => {
  const buckets = createTokenBuckets(2);
  for (let n = 0; n < 3; n += 1) buckets.take("ci", rate, 0);
  expect(buckets.take("ci", { perSecond: 1_000, burst: 1_000 }, 10)).toBeUndefined();
});
