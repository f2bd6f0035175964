import { SIMULATED_LIMITS, wireInput } from "@flintlock/core/testing";
import { describe, expect, test } from "vitest";
import {
  type GuestExit,
  HOST_RESTARTED,
  type MicroVM,
  POWERED_OFF,
  type RestartPolicy,
} from "../domain/microvm.ts";
import { parseSpec } from "../domain/spec-rules.ts";
import { unixMs } from "../domain/units.ts";
import { type AfterEnd, afterEnd, MAX_RESTART_DELAY_MS } from "./restart.ts";

const spec = parseSpec(wireInput(), SIMULATED_LIMITS);

interface Run {
  readonly restart: RestartPolicy;
  readonly max?: number;
  readonly code?: number | undefined;
  readonly reason?: string;
  readonly seconds?: number;
  readonly restarts?: number;
}

const after = ({ restart, max, code, reason = "", seconds = 1, restarts = 0 }: Run): AfterEnd => {
  const exit: GuestExit = { code, reason, at: unixMs(seconds * 1000) };
  const vm = {
    spec: { ...spec, restart, maxRestarts: max },
    status: { restarts, reason: undefined, readyAt: unixMs(0) },
  };
  return afterEnd(vm as unknown as MicroVM, exit);
};

describe("whether it starts again", () => {
  test.each<[string, Run, boolean]>([
    ["no, whatever the end", { restart: "no", code: 1 }, false],
    ["no, also when the host restarted", { restart: "no", reason: HOST_RESTARTED }, false],
    ["on-failure after a good end", { restart: "on-failure", code: 0 }, false],
    ["on-failure after a power-off", { restart: "on-failure", reason: POWERED_OFF }, false],
    ["on-failure after a bad end", { restart: "on-failure", code: 1 }, true],
    ["on-failure after the VMM's", { restart: "on-failure", reason: "VMM ended by SIGKILL" }, true],
    ["on-failure when the host restarted", { restart: "on-failure", reason: HOST_RESTARTED, max: 1 }, true],
    ["on-failure:2, once", { restart: "on-failure", code: 1, max: 2, restarts: 1 }, true],
    ["on-failure:2, twice", { restart: "on-failure", code: 1, max: 2, restarts: 2 }, false],
    [
      "on-failure:2, twice, then a long run",
      { restart: "on-failure", code: 1, max: 2, restarts: 2, seconds: 60 },
      true,
    ],
    ["unless-stopped after a good end", { restart: "unless-stopped", code: 0 }, true],
    ["always after a good end", { restart: "always", code: 0, restarts: 1000 }, true],
  ])("%s", (_name, run, isAgain) => {
    expect(after(run).afterMs !== undefined).toBe(isAgain);
  });
});

test("the wait doubles up to a cap, and starts anew after a run that was not short", () => {
  const waits = (restart: RestartPolicy) =>
    [0, 1, 2, 3, 4, 9, 1000].map((restarts) => after({ restart, restarts }).afterMs);
  const cap = MAX_RESTART_DELAY_MS;
  expect(waits("always")).toEqual([20_000, 40_000, 80_000, 160_000, cap, cap, cap]);
  expect(waits("unless-stopped")).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, cap, cap]);
  expect(after({ restart: "always", restarts: 9, seconds: 60 })).toEqual({
    afterMs: 0,
    restarts: 0,
    reason: undefined,
  });
});

test("the second short run in a row is a crash loop, also where it is the last", () => {
  expect(after({ restart: "always" })).toMatchObject({ restarts: 1, reason: undefined });
  expect(after({ restart: "always", restarts: 1 })).toMatchObject({ restarts: 2, reason: "crash-looping" });
  const last = after({ restart: "on-failure", code: 1, max: 2, restarts: 2 });
  expect(last).toEqual({ afterMs: undefined, restarts: 2, reason: "crash-looping" });
  const good = after({ restart: "on-failure", code: 0, restarts: 2 });
  expect(good).toEqual({ afterMs: undefined, restarts: 2, reason: undefined });
});

test("a host that restarts waits for nobody and counts nothing", () => {
  const rebooted = after({ restart: "always", reason: HOST_RESTARTED, restarts: 3 });
  expect(rebooted).toEqual({ afterMs: 0, restarts: 3, reason: undefined });
});
