import { ManualClock, settle } from "@flintlock/core/testing";
import { expect, test } from "vitest";
import { FlintlockError } from "../domain/errors.ts";
import { unixMs } from "../domain/units.ts";
import type { ProbeAnswer } from "../ports/guest-probe.ts";
import { ATTEMPT_MS, answersUntilMet } from "./until-met.ts";

const never = new AbortController().signal;

/** Collects what is told; `end` is how it ended. */
const watch = (
  ask: (signal: AbortSignal) => Promise<ProbeAnswer>,
  { limitMs, signal = never }: { readonly limitMs?: number; readonly signal?: AbortSignal } = {},
) => {
  const clock = new ManualClock();
  const told: string[] = [];
  const outcome = { end: "" };
  const limit = limitMs === undefined ? undefined : { ms: limitMs, until: unixMs(clock.now() + limitMs) };
  const asked = { condition: "tcp:80", ask, silence: () => "silence", limit };
  const run = async () => {
    try {
      for await (const { isMet, seen } of answersUntilMet(asked, clock, signal))
        told.push(`${isMet} ${seen}`);
      outcome.end = "met";
    } catch (error) {
      outcome.end = error instanceof FlintlockError ? `${error.code}: ${error.message}` : String(error);
    }
  };
  void run();
  return { clock, told, outcome };
};

const notYet = (seen: string): ProbeAnswer => ({ isMet: false, seen });

test("it is asked until it is met, less and less often, and only news is told", async () => {
  const answers = [notYet("a"), notYet("a"), notYet("b")];
  const at: number[] = [];
  const { clock, told, outcome } = watch(async () => {
    await Promise.resolve();
    at.push(clock.now());
    return answers.shift() ?? { isMet: true, seen: "there" };
  });
  for (let i = 0; i < 20; i++) {
    await settle();
    clock.advance(50);
  }
  expect(told).toEqual(["false a", "false b", "true there"]);
  expect(outcome.end).toBe("met");
  expect(at.map((ms) => ms - (at[0] ?? 0))).toEqual([0, 100, 250, 500]);
});

test("what goes wrong is an answer, and a guest that is silent is asked again", async () => {
  let asked = 0;
  const { clock, told } = watch((signal) => {
    asked++;
    if (asked === 1) return Promise.reject(new FlintlockError("unavailable", "Connection refused"));
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  });
  await settle();
  clock.advance(100);
  await settle();
  clock.advance(ATTEMPT_MS);
  await settle();
  clock.advance(1000);
  await settle();
  expect(asked).toBe(3);
  expect(told).toEqual(["false Connection refused", "false silence"]);
});

test("the time limit ends it with what was seen last, even in the middle of a question", async () => {
  const deaf = () => new Promise<ProbeAnswer>(() => undefined);
  const answers = [async () => notYet("Connection refused"), deaf];
  const { clock, outcome } = watch(() => (answers.shift() ?? deaf)(), { limitMs: 2000 });
  await settle();
  clock.advance(100);
  await settle();
  expect(outcome.end).toBe("");
  clock.advance(1900);
  await settle();
  clock.advance(0);
  await settle();
  expect(outcome.end).toBe("deadline_exceeded: tcp:80 was not met within 2 s; last seen: silence");
});

test("what is hopeless ends it at once with its own words", async () => {
  const hopeless = new FlintlockError("failed_precondition", "cloud-init failed");
  const { told, outcome } = watch(async () => ({ isMet: false, seen: "no", hopeless }));
  await settle();
  expect(told).toEqual(["false no"]);
  expect(outcome.end).toBe("failed_precondition: tcp:80 will not be met: cloud-init failed");
  const cannot = watch(async () => Promise.reject(new FlintlockError("unsupported", "cannot")));
  await settle();
  expect(cannot.outcome.end).toBe("unsupported: tcp:80 will not be met: cannot");
});

test("the signal ends it with its own reason, in a question and between two", async () => {
  for (const ask of [async () => notYet("a"), () => new Promise<ProbeAnswer>(() => undefined)]) {
    const enough = new AbortController();
    const { outcome } = watch(ask, { signal: enough.signal });
    await settle();
    enough.abort(new FlintlockError("canceled", "enough"));
    await settle();
    expect(outcome.end).toBe("canceled: enough");
  }
});
