/** MicroVMs that run once their guest has come as far as it takes: on a real guest, over a daemon that is killed. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Result, TestDaemon } from "../support/daemon.ts";

const SOON = { timeout: 60_000, interval: 100 };
/** Serves when told to */
const GUEST = "while ! [ -e /run/go ]; do sleep 0.1; done; exec nc -ll -p 8080 -e /bin/cat";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(() => daemon?.[Symbol.asyncDispose]());

const flintlock = (...args: readonly string[]): Promise<Result> => daemon.flintlock(args);
interface Shown {
  readonly state: string;
  readonly microvm: { readonly status: { readonly state: string } };
  readonly conditionsMet: readonly { readonly condition: string }[];
  readonly failure?: { readonly step: string; readonly code: string; readonly message: string };
}
const shown = async (name: string): Promise<Shown> =>
  JSON.parse((await flintlock("inspect", name, "-o", "json")).stdout)[0];
const met = async (name: string) => (await shown(name)).conditionsMet.map(({ condition }) => condition);

test("it is PENDING to every client until all conditions are met, also of the next daemon", async () => {
  const made = await flintlock(
    ..."create -n web --no-wait --ready agent,tcp:8080 --ready-timeout 5m -- sh -c".split(" "),
    GUEST,
  );
  expect(made.code, made.stderr).toBe(0);
  await expect.poll(() => met("web"), SOON).toEqual(["agent"]);
  await daemon.kill("SIGKILL");
  await daemon.start();
  const waiting = flintlock("wait", "web", "--for", "running");
  expect(await shown("web")).toMatchObject({ state: "PENDING", microvm: { status: { state: "PENDING" } } });
  expect((await flintlock("exec", "web", "--", "touch", "/run/go")).code).toBe(0);
  expect((await waiting).code).toBe(0);
  expect(await shown("web")).toMatchObject({ state: "RUNNING", microvm: { status: { state: "CREATED" } } });
  expect(await met("web")).toEqual(["agent", "tcp:8080"]);
  const { stdout } = await flintlock("explain", "web");
  expect(stdout).toMatch(/condition_met +agent\n/);
  expect(stdout).toMatch(/condition_met +tcp:8080\n.* running/);
  expect(stdout).toMatch(/awaitCondition tcp:8080 +\d/);
});

test("after the time limit it has FAILED, and says what it was waiting for and what it saw", async () => {
  const { code, stderr } = await flintlock(
    ..."create -n late --ready agent,tcp:9 --ready-timeout 3s -- sleep 1000".split(" "),
  );
  const words = "tcp:9 was not met within 3 s; last seen: port 9: Connection refused";
  expect([code, stderr]).toEqual([8, expect.stringContaining(words)]);
  expect(await shown("late")).toMatchObject({
    state: "FAILED",
    failure: { step: "awaitCondition", code: "deadline_exceeded", message: words },
  });
  expect((await flintlock("explain", "late")).stdout).toContain("try: Its guest came up, and not as far");
});
