import { ext, create as message } from "@flintlock/client";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type FakeDaemon, startFakeDaemon } from "../../client/src/testing/fake-daemon.ts";
import { runTestCli } from "./testing/run-test-cli.ts";
import { parseRestart } from "./vm-flags.ts";

let daemon: FakeDaemon;
beforeEach(async () => {
  daemon = await startFakeDaemon();
});
afterEach(() => daemon[Symbol.asyncDispose]());

const flintlock = (...argv: readonly string[]) => runTestCli(argv, { address: daemon.address });
const asked = () => daemon.log.filter((line) => !line.startsWith("create"));

const create = async (...names: readonly string[]): Promise<void> => {
  for (const name of names) await flintlock("create", "--name", name);
};

test.each([
  ["start", "start web", "RUNNING"],
  ["stop", "stop default web", "STOPPED"],
  ["kill", "kill web", "STOPPED"],
  ["restart", "restart default web", "RUNNING"],
  ["pause", "pause web", "PAUSED"],
  ["resume", "resume web", "RUNNING"],
])("%s asks, waits until it is so, and prints the name", async (verb, told, state) => {
  await create("web");
  expect(await flintlock(verb, "web")).toMatchObject({ code: 0, stdout: "web\n", stderr: "" });
  expect(asked()).toEqual([told]);
  expect((await flintlock("ls")).stdout).toContain(` ${state} `);
});

test("several at once, and each that is not there is told; the code says that some failed", async () => {
  await create("web", "db");
  const { code, stdout, stderr } = await flintlock("stop", "web", "nobody", "db");
  expect([code, stdout.split("\n").sort()]).toEqual([11, ["", "db", "web"]]);
  expect(stderr).toContain("nobody not found");
  expect((await flintlock("stop", "nobody")).code).toBe(3);
  expect((await flintlock("stop")).code).toBe(2);
});

test("the grace is whole seconds, rounded up; --force is none", async () => {
  await create("web");
  await flintlock("stop", "--grace", "1500ms", "web");
  await flintlock("stop", "-f", "web");
  await flintlock("restart", "-g", "2m", "web");
  expect(asked()).toEqual(["stop 2 web", "kill web", "restart 120 web"]);
  expect((await flintlock("stop", "--grace", "soon", "web")).code).toBe(2);
  expect((await flintlock("start", "--grace", "1s", "web")).code).toBe(2);
});

test("--no-wait returns at once, --timeout gives up with its code, and a failure is told", async () => {
  await flintlock("create", "--no-wait", "--name", "web", "stuck");
  expect((await flintlock("stop", "--no-wait", "web")).code).toBe(0);
  expect((await flintlock("stop", "--timeout", "100ms", "web")).code).toBe(8);
  await flintlock("create", "--no-wait", "--name", "bad", "broken");
  const { code, stderr } = await flintlock("start", "bad");
  expect(code).not.toBe(0);
  expect(stderr).toContain("microVM bad is FAILED");
});

test("ls filters by the new states and says that one is crash-looping", async () => {
  await create("web", "db");
  await flintlock("pause", "web");
  expect((await flintlock("ls", "-q", "--state", "paused", "-s", "stopped")).stdout).toBe("web\n");
  for (const vm of daemon.vms.values()) {
    const exit = message(ext.ExitSchema, { code: 1 });
    Object.assign(vm, { state: ext.State.EXITED, reason: "crash-looping", exit });
  }
  expect((await flintlock("ls")).stdout).toContain("EXITED (1, crash-looping)");
});

test("restart policies are docker's words", async () => {
  const { NO, ON_FAILURE, UNLESS_STOPPED, ALWAYS } = ext.RestartPolicy;
  expect(["no", "on-failure", "unless-stopped", "always"].map((text) => parseRestart(text).restart)).toEqual([
    NO,
    ON_FAILURE,
    UNLESS_STOPPED,
    ALWAYS,
  ]);
  expect(parseRestart("on-failure:3")).toEqual({ restart: ON_FAILURE, maxRestarts: 3 });
  for (const text of ["sometimes", "always:3", "on-failure:", "on-failure:0", "on-failure:1:2", ""]) {
    expect(() => parseRestart(text), text).toThrow("--restart");
  }
  const refused = await flintlock("run", "--restart", "on-failure", "alpine:3");
  expect([refused.code, refused.stderr]).toEqual([125, expect.stringContaining("does not restart")]);
});
