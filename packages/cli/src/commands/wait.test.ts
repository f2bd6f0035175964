import { afterEach, beforeEach, expect, test } from "vitest";
import { type FakeDaemon, startFakeDaemon } from "../../../client/src/testing/fake-daemon.ts";
import { runTestCli } from "../testing/run-test-cli.ts";

let daemon: FakeDaemon;

beforeEach(async () => {
  daemon = await startFakeDaemon();
  for (const name of ["web", "db"]) await flintlock("create", "--name", name);
  daemon.log.length = 0;
});
afterEach(() => daemon[Symbol.asyncDispose]());

const flintlock = (...argv: readonly string[]) => runTestCli(argv, { address: daemon.address });

test("several microVMs are waited for, and ip prints the addresses", async () => {
  expect(await flintlock("wait", "web", "db", "--for", "agent,tcp:80", "--for", "exec:a,b")).toEqual({
    code: 0,
    stdout: "",
    stderr: "",
  });
  expect(daemon.log.toSorted()).toEqual([
    "probe db agent | tcp:80 | exec:a,b",
    "probe web agent | tcp:80 | exec:a,b",
  ]);
  expect(await flintlock("wait", "web", "--for", "ip")).toMatchObject({ code: 0, stdout: "10.0.2.15\n" });
});

test("a time limit ends with 8, and tells what was last seen of each that is not there", async () => {
  const { code, stderr } = await flintlock("wait", "web", "db", "--for", "agent,ssh", "--timeout", "300ms");
  expect(code).toBe(8);
  expect(stderr).toMatch(/^error\[deadline_exceeded\]: timed out after --timeout 300ms\n/);
  expect(stderr).toContain("web: ssh: nobody greets");
  expect(stderr).toContain("db: ssh: nobody greets");
  expect(await flintlock("wait", "web", "--for", "stopped", "--timeout", "300ms")).toMatchObject({
    code: 8,
    stderr: expect.stringContaining("web: it is RUNNING"),
  });
});

test("a microVM that nobody has is 3, and among others 11", async () => {
  expect((await flintlock("wait", "nope", "--for", "agent")).code).toBe(3);
  expect((await flintlock("wait", "nope", "web", "--for", "agent")).code).toBe(11);
});

test.each([["godot"], ["agent,running"], ["tcp:x"]])("--for %s is refused", async (condition) => {
  expect(await flintlock("wait", "web", "--for", condition)).toMatchObject({ code: 2 });
  expect(daemon.log).toEqual([]);
});

test("a state is waited for by itself", async () => {
  const { code, stderr } = await flintlock("wait", "web", "--for", "running", "--for", "agent");
  expect([code, stderr]).toEqual([2, expect.stringContaining("--for running: a state")]);
});
