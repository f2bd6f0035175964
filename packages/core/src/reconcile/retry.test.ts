import { SIMULATED_LIMITS, wireInput } from "@flintlock/core/testing";
import { expect, test } from "vitest";
import { parseSpec } from "../domain/spec-rules.ts";
import { DEFAULT_MAX_RETRY, verdict } from "./retry.ts";

const spec = { ...parseSpec(wireInput(), SIMULATED_LIMITS), provider: "simulated" as const };
const attempt = (retry: number, maxRetry: number) =>
  verdict(spec, { code: "provider_failed", retry }, maxRetry);

test("a microVM has failed after as many attempts as the operator allows, ten unless he says", () => {
  expect(attempt(3, 3)).toEqual({ kind: "retry", afterMs: 60_000 });
  expect(attempt(4, 3)).toEqual({ kind: "fail" });
  expect(attempt(1, 0)).toEqual({ kind: "fail" });
  expect(attempt(10, DEFAULT_MAX_RETRY).kind).toBe("retry");
  expect(attempt(11, DEFAULT_MAX_RETRY).kind).toBe("fail");
});

test("somebody who waits in a terminal is told after two, whatever the limit", () => {
  const once = { ...spec, restart: "no" } as const;
  expect(verdict(once, { code: "provider_failed", retry: 2 }, 10)).toEqual({ kind: "retry", afterMs: 2000 });
  expect(verdict(once, { code: "provider_failed", retry: 3 }, 10)).toEqual({ kind: "fail" });
});
