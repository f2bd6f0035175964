/**
 * Upstream's recorded answers against ours, over gRPC and HTTP. What differs is in the list of justified differences,
 * and what is in the list differs.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EVERY_ANSWER } from "../../compat/differences/every-answer.ts";
import { isJustifiedBy, type Justified } from "../../compat/differences/justified.ts";
import { OUTCOMES } from "../../compat/differences/outcomes.ts";
import { REFUSALS } from "../../compat/differences/refusals.ts";
import { startSimulated } from "../../compat/start-daemon.ts";
import { readRecording, SUITES } from "../../compat/suites.ts";
import type { Observation } from "../../compat/wire/case.ts";
import { diffAnswers } from "../../compat/wire/diff.ts";
import { runCases } from "../../compat/wire/run-cases.ts";
import type { TestDaemon } from "../../support/daemon.ts";

const JUSTIFIED: readonly Justified[] = [...EVERY_ANSWER, ...REFUSALS, ...OUTCOMES];

const { observations: recorded } = await readRecording("open");

describe("the answers that upstream gave", () => {
  let daemon: TestDaemon;
  let ours: readonly Observation[];
  const used = new Set<Justified>();

  beforeAll(async () => {
    const started = await startSimulated();
    daemon = started.daemon;
    ours = await runCases(
      recorded.map(({ request }) => request),
      started.endpoints,
    );
  });
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  test("are of the requests that there are", () => {
    expect(recorded.map(({ request }) => request)).toEqual(SUITES.open);
  });

  test.each(recorded.map(({ request }, at) => [request.name, at] as const))(
    "%s: ours is the same, but for what is justified",
    (name, at) => {
      const [theirs, own] = [recorded[at], ours[at]];
      if (theirs === undefined || own === undefined) throw new Error(`${name} was not asked`);
      const unjustified = diffAnswers(theirs.answer, own.answer).filter((difference) => {
        const entry = JUSTIFIED.find((one) => isJustifiedBy(one, name, difference));
        if (entry !== undefined) used.add(entry);
        return entry === undefined;
      });
      expect(unjustified).toEqual([]);
    },
  );

  test("show every difference that the list justifies", () => {
    expect(JUSTIFIED.filter((entry) => !used.has(entry))).toEqual([]);
  });
});
