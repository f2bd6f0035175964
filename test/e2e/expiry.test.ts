/** Time to live and idle time of real guests, over a daemon that is killed. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Result, TestDaemon } from "../support/daemon.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(() => daemon?.[Symbol.asyncDispose]());

const flintlock = (...args: readonly string[]): Promise<Result> => daemon.flintlock(args);
const ok = async (...args: readonly string[]): Promise<string> => {
  const result = await flintlock(...args);
  expect(result.code, result.stderr).toBe(0);
  return result.stdout;
};
const shown = async (name: string) => JSON.parse(await ok("inspect", name, "-o", "json"))[0];

test("a time to live is changed, outlives the daemon, and deletes; a protected one is stopped", async () => {
  await ok("create", "-n", "short", "--ttl", "1h", "--", "sleep", "100000");
  await ok("create", "-n", "kept", "--ttl", "2h", "--protect", "--", "sleep", "100000");
  expect(await ok("explain", "short")).toMatch(/^expires {3}\d{4}-.*, then it is deleted$/m);
  const answers = await ok("modify", "short", "kept", "--ttl", "4s");
  expect(answers.trimEnd().split("\n").sort()).toEqual([
    "kept: ttl_seconds: at once",
    "short: ttl_seconds: at once",
  ]);
  await daemon.kill("SIGKILL");
  await daemon.start();
  await ok("wait", "short", "--for", "deleted", "--timeout", "60s");
  await ok("wait", "kept", "--for", "stopped", "--timeout", "60s");
  const kept = await shown("kept");
  expect(kept).toMatchObject({ state: "STOPPED", expired: { cause: "ttl", action: "STOP" } });
  expect(kept).not.toHaveProperty("expiry");
  expect(await ok("events", "--since", "beginning")).toMatch(
    /deleting +default\/short .*its time to live was over/,
  );
  await ok("start", "kept");
  await ok("modify", "kept", "--no-protect");
  expect((await shown("kept")).state).toBe("RUNNING");
});

test("one that nobody uses is stopped, and a session keeps it", async () => {
  await ok("create", "-n", "quiet", "--idle", "5s", "--", "sleep", "100000");
  await ok("exec", "quiet", "--", "sleep", "8");
  expect((await shown("quiet")).state).toBe("RUNNING");
  await ok("wait", "quiet", "--for", "stopped", "--timeout", "60s");
  expect(await shown("quiet")).toMatchObject({
    expiry: { idleSeconds: 5 },
    expired: { cause: "idle", action: "STOP" },
  });
  expect(await ok("explain", "quiet")).toMatch(/stopping +nobody has used it for 5 s/);
});
