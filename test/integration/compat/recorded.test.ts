/**
 * Upstream's recorded answers against ours, over gRPC and HTTP. What differs is in a list of justified differences, and
 * what is in the list differs.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MICROVM, TRANSPORT } from "../../compat/differences/every-answer.ts";
import { isJustifiedBy, type Justified } from "../../compat/differences/justified.ts";
import { LEGACY } from "../../compat/differences/legacy.ts";
import { OUTCOMES } from "../../compat/differences/outcomes.ts";
import { REFUSALS } from "../../compat/differences/refusals.ts";
import { TOKEN } from "../../compat/differences/token.ts";
import { startSimulated } from "../../compat/start-daemon.ts";
import { readRecording, SUITES, type SuiteName } from "../../compat/suites.ts";
import type { Observation } from "../../compat/wire/case.ts";
import { diffAnswers } from "../../compat/wire/diff.ts";
import { runCases } from "../../compat/wire/run-cases.ts";
import { TOKEN as SECRET } from "../../compat/wire/token-cases.ts";
import type { TestDaemon } from "../../support/daemon.ts";

interface Replay {
  readonly suite: SuiteName;
  readonly daemon: string;
  readonly access: readonly string[];
  /** Must all be needed */
  readonly own: readonly Justified[];
  /** May be needed */
  readonly shared: readonly Justified[];
}

const REPLAYS: readonly Replay[] = [
  {
    suite: "open",
    daemon: "a daemon without access control",
    access: ["--insecure"],
    own: [...TRANSPORT, ...MICROVM, ...REFUSALS, ...OUTCOMES],
    shared: [],
  },
  {
    suite: "token",
    daemon: "a daemon that wants a token",
    access: ["--insecure", "--basic-auth-token", SECRET],
    own: TOKEN,
    shared: TRANSPORT,
  },
  {
    suite: "legacy",
    daemon: "the first published API",
    access: ["--insecure", "--legacy-grpc-endpoint", "127.0.0.1:0", "--legacy-http-endpoint", "127.0.0.1:0"],
    own: LEGACY,
    shared: TRANSPORT,
  },
];

describe.each(REPLAYS)("the answers that upstream gave as $daemon", ({ suite, access, own, shared }) => {
  let daemon: TestDaemon | undefined;
  let recorded: readonly Observation[];
  let ours: readonly Observation[];

  beforeAll(async () => {
    recorded = (await readRecording(suite)).observations;
    const started = await startSimulated(access);
    daemon = started.daemon;
    const endpoints = suite === "legacy" ? started.legacy : started.endpoints;
    if (endpoints === undefined) throw new Error("the daemon serves no legacy endpoint");
    ours = await runCases(
      recorded.map(({ request }) => request),
      endpoints,
    );
  });
  afterAll(() => daemon?.[Symbol.asyncDispose]());

  test("are of the requests that there are", () => {
    expect(recorded.map(({ request }) => request)).toEqual(SUITES[suite]);
  });

  const used = new Set<Justified>();

  test.each(SUITES[suite].map(({ name }, at) => [name, at] as const))(
    "%s: ours is the same, but for what is justified",
    (name, at) => {
      const [theirs, answer] = [recorded[at]?.answer, ours[at]?.answer];
      if (theirs === undefined || answer === undefined) throw new Error(`${name} was not asked`);
      const unjustified = diffAnswers(theirs, answer).filter((difference) => {
        const entry = [...own, ...shared].find((one) => isJustifiedBy(one, name, difference));
        if (entry !== undefined) used.add(entry);
        return entry === undefined;
      });
      expect(unjustified).toEqual([]);
    },
  );

  test("show every difference that the list justifies", () => {
    expect(own.filter((entry) => !used.has(entry))).toEqual([]);
  });
});
