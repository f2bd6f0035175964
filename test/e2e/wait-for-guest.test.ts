/** `flintlock wait --for` what a real guest comes to. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Result, TestDaemon } from "../support/daemon.ts";

/** Finishes what it has to do in its own time: a server, then a cloud-init. */
const GUEST = `sleep 4
nc -ll -p 22 -e /bin/echo SSH-2.0-test &
nc -ll -p 8080 -e /bin/cat &
mkdir -p /run/cloud-init
echo '{"v1":{"datasource":"DataSourceTest","errors":[]}}' > /run/cloud-init/result.json
wait`;

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
  for (const name of ["web", "db"]) {
    expect(await flintlock("create", "-n", name, "--", "sh", "-c", GUEST)).toMatchObject({ code: 0 });
  }
});
afterAll(() => daemon?.[Symbol.asyncDispose]());

const flintlock = (...args: readonly string[]): Promise<Result> => daemon.flintlock(args);

test("what is not there yet is waited for, on several microVMs at once", async () => {
  const early = await flintlock("wait", "web", "--for", "exec:test -e /nowhere", "--timeout", "1s");
  expect([early.code, early.stderr]).toEqual([
    8,
    expect.stringContaining("web: exec:test -e /nowhere: exit code 1"),
  ]);
  const all = ["agent", "tcp:8080", "ssh", "cloud-init", "exec:test -e /run/cloud-init/result.json"];
  const flags = all.flatMap((each) => ["--for", each]);
  expect(await flintlock("wait", "web", "db", ...flags, "--timeout", "60s")).toEqual({
    code: 0,
    stdout: "",
    stderr: "",
  });
  expect(await flintlock("wait", "web", "--for", "ip")).toMatchObject({ code: 0, stdout: "10.0.2.15\n" });
});

test("a port that stays shut is told after the time limit, in the guest's words", async () => {
  const { code, stderr } = await flintlock("wait", "web", "--for", "tcp:9", "--timeout", "2s");
  expect([code, stderr]).toEqual([8, expect.stringContaining("web: tcp:9: port 9: Connection refused")]);
});

test("a cloud-init with errors, and a microVM that is stopped, are not waited for", async () => {
  const broken = `echo '{"v1":{"errors":["no such user"]}}' > /run/cloud-init/result.json`;
  expect((await flintlock("exec", "db", "--", "sh", "-c", broken)).code).toBe(0);
  const failed = await flintlock("wait", "db", "--for", "cloud-init");
  expect([failed.code, failed.stderr]).toEqual([5, expect.stringContaining("errors: no such user")]);
  const waiting = flintlock("wait", "db", "--for", "tcp:9");
  expect((await flintlock("stop", "db")).code).toBe(0);
  expect(await waiting).toMatchObject({ code: 5, stderr: expect.stringContaining("stopped") });
});
