import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ReadinessChecks } from "./readiness-checks.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("all checks are named, and one that fails makes the whole not ready", async () => {
  const readiness = new ReadinessChecks();
  readiness.add("store", async () => undefined);
  expect(await readiness.report()).toEqual({ isReady: true, checks: { store: "ok" } });
  readiness.add("listeners", () => {
    throw new Error("none is open");
  });
  expect(await readiness.report()).toEqual({
    isReady: false,
    checks: { store: "ok", listeners: "none is open" },
  });
});

test("many that ask at once cause one look, and a later one another", async () => {
  const readiness = new ReadinessChecks();
  let looks = 0;
  readiness.add("store", () => {
    looks++;
    return undefined;
  });
  await Promise.all(Array.from({ length: 100 }, () => readiness.report()));
  expect(looks).toBe(1);
  vi.advanceTimersByTime(501);
  await readiness.report();
  expect(looks).toBe(2);
});
