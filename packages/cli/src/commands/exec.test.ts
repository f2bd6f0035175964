import { afterEach, beforeEach, expect, test } from "vitest";
import { type FakeDaemon, startFakeDaemon } from "../../../client/src/testing/fake-daemon.ts";
import { runTestCli, startTestCli } from "../testing/run-test-cli.ts";

let daemon: FakeDaemon;

beforeEach(async () => {
  daemon = await startFakeDaemon();
  await flintlock("create", "--name", "web");
  daemon.log.length = 0;
});
afterEach(() => daemon[Symbol.asyncDispose]());

const flintlock = (...argv: readonly string[]) => runTestCli(argv, { address: daemon.address });

test("stdin reaches the command, its output is stdout, and its exit code is ours", async () => {
  const bytes = Buffer.from([0, 255, 10, 13, 0x1d, 128]);
  const cli = startTestCli(["exec", "web", "--", "cat", "3"], { address: daemon.address, input: bytes });
  expect(await cli.code).toBe(3);
  expect(cli.stdout().equals(bytes)).toBe(true);
  expect(daemon.log).toEqual(["exec cat 3 stdin", "stdin_eof"]);
  expect(daemon.vms.size).toBe(1);
});

test("flags before the target are ours, and what follows it is the command's", async () => {
  const flags = ["-u", "www:www", "--cwd", "/srv", "-e", "A=1", "--no-stdin"];
  expect((await flintlock("exec", ...flags, "web", "exit", "4", "-u", "root", "--", "-x")).code).toBe(4);
  expect(daemon.log).toEqual(["exec exit 4 -u root -- -x A=1 /srv www:www"]);
});

test("stderr of the command is our stderr", async () => {
  expect(await flintlock("exec", "web", "err")).toEqual({ code: 1, stdout: "", stderr: "oops\n" });
});

test("what the guest cannot do it says, and its exit code is ours", async () => {
  const answer = { code: 126, stdout: "", stderr: "flintlock: the guest says: no such user\n" };
  expect(await flintlock("exec", "web", "refused")).toEqual(answer);
});

test("our own failures are 125: no target, no command, no such microVM", async () => {
  expect((await flintlock("exec")).code).toBe(125);
  expect(await flintlock("exec", "--", "true")).toMatchObject({ code: 125 });
  expect((await flintlock("exec", "web")).stderr).toContain("no command was given");
  expect(await flintlock("exec", "nope", "true")).toMatchObject({ code: 125 });
});

test("with -t the command has a terminal, of our size, and signals go to it", async () => {
  const terminal = { rows: 30, columns: 100 };
  const cli = startTestCli(["exec", "-t", "web", "trap"], { address: daemon.address, terminal });
  await expect.poll(() => daemon.log).toEqual(["exec trap 100x30 stdin"]);
  cli.kill("SIGTERM");
  expect(await cli.code).toBe(40);
  expect(daemon.log.slice(0, 2)).toEqual(["exec trap 100x30 stdin", "signal TERM"]);
});

test("without one, -t asks for the usual size and --no-tty for none", async () => {
  await flintlock("exec", "-t", "web", "exit", "0");
  expect(daemon.log[0]).toBe("exec exit 0 80x24 stdin");
  daemon.log.length = 0;
  const terminal = { rows: 10, columns: 20 };
  const cli = startTestCli(["exec", "--no-tty", "web", "exit", "0"], { address: daemon.address, terminal });
  expect(await cli.code).toBe(0);
  expect(daemon.log[0]).toBe("exec exit 0 stdin");
});

test("--timeout gives up and cancels the call, which ends the command", async () => {
  const { code, stderr } = await flintlock("exec", "--timeout", "200ms", "--no-stdin", "web", "trap");
  expect({ code, stderr }).toEqual({ code: 8, stderr: expect.stringContaining("timed out") });
  await expect.poll(() => daemon.log.at(-1)).toBe("exec cancelled");
});
