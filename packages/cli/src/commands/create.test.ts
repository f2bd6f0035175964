import { afterEach, beforeEach, expect, test } from "vitest";
import { type FakeDaemon, startFakeDaemon } from "../../../client/src/testing/fake-daemon.ts";
import { runTestCli } from "../testing/run-test-cli.ts";

let daemon: FakeDaemon;

beforeEach(async () => {
  daemon = await startFakeDaemon();
});
afterEach(() => daemon[Symbol.asyncDispose]());

const flintlock = (...argv: readonly string[]) => runTestCli(argv, { address: daemon.address });
const created = () => [...daemon.vms.values()].at(-1);

test("--ready asks for conditions, with --ready-timeout in whole seconds", async () => {
  await flintlock(
    "create",
    "--ready",
    "agent,tcp:80",
    "--ready",
    "exec:test a,b",
    "--ready-timeout",
    "1500ms",
  );
  expect(created()?.readyWhen).toMatchObject({
    conditions: ["agent", "tcp:80", "exec:test a,b"],
    timeoutSeconds: 2,
  });
  await flintlock("run", "-d", "--ready", "ssh");
  expect(created()?.readyWhen).toMatchObject({ conditions: ["ssh"], timeoutSeconds: 0 });
  await flintlock("create");
  expect(created()?.readyWhen).toBe(undefined);
});

test.each([
  ["create", "--ready", "godot"],
  ["create", "--ready-timeout", "5s"],
])("%s %s %s is refused", async (...argv) => {
  expect((await flintlock(...argv)).code).toBe(2);
});

test("an attached command is joined at once, and cannot be waited for", async () => {
  const { code, stderr } = await flintlock("run", "--ready", "agent", "--", "true");
  expect([code, stderr]).toEqual([125, expect.stringContaining("add --detach")]);
});

test("--ttl, --idle and --expire say when its time is over", async () => {
  await flintlock("create", "--ttl", "60d", "--idle", "90s", "--expire", "stop");
  expect(created()?.expiry).toMatchObject({ idleSeconds: 90, action: 2 });
  await flintlock("create", "--ttl", "1h");
  expect(created()?.expiry).toMatchObject({ idleSeconds: 0, action: 0 });
  for (const wrong of [
    ["--ttl", "400d"],
    ["--idle", "0"],
    ["--ttl", "1h", "--expire", "pause"],
    ["--expire", "stop"],
  ])
    expect((await flintlock("create", ...wrong)).code).toBe(2);
});
