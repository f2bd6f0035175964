import { Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type FakeDaemon, startFakeDaemon } from "../../../client/src/testing/fake-daemon.ts";
import { runTestCli, startTestCli } from "../testing/run-test-cli.ts";

let daemon: FakeDaemon;

beforeEach(async () => {
  daemon = await startFakeDaemon();
});
afterEach(() => daemon[Symbol.asyncDispose]());

const run = (argv: readonly string[], input: string | Uint8Array = "") =>
  runTestCli(["run", ...argv], { address: daemon.address, input });

test("stdin reaches the command, its output is stdout, its exit code is ours, and nothing is left", async () => {
  const bytes = Buffer.from([0, 255, 10, 13, 0x1d, 128]);
  const cli = startTestCli(["run", "alpine:3", "--", "cat", "3"], { address: daemon.address, input: bytes });
  expect(await cli.code).toBe(3);
  expect(cli.stdout().equals(bytes)).toBe(true);
  expect(cli.stderr()).toBe("");
  expect(daemon.log).toEqual(["pull alpine:3", "create vm-1", "attach", "stdin_eof", "delete vm-1"]);
  expect(daemon.vms.size).toBe(0);
});

test("the command may follow the image, follow --, or stand without an image", async () => {
  expect((await run(["alpine:3", "exit", "4"])).code).toBe(4);
  expect((await run(["alpine:3", "--", "exit", "5"])).code).toBe(5);
  expect((await run(["--", "exit", "6"])).code).toBe(6);
  expect(daemon.log.filter((line) => line.startsWith("pull"))).toEqual(["pull alpine:3", "pull alpine:3"]);
});

test("flags after the image belong to the command", async () => {
  await run(["-n", "web", "alpine:3", "exit", "0", "-n", "x", "--", "-p"]);
  const [vm] = daemon.vms.values();
  expect(vm?.process?.command).toEqual(["exit", "0", "-n", "x", "--", "-p"]);
});

test("limits and a balloon go with the request, and are left out of one that names none", async () => {
  await run(["-d", "--disk-bps", "20M", "--disk-iops", "100", "--balloon", "0", "alpine:3"]);
  await run(["-d", "--net-bps", "1.5k", "--balloon", "256M", "alpine:3"]);
  await run(["-d", "alpine:3"]);
  const asked = [...daemon.vms.values()].map(({ limits, balloonMib }) => [
    limits?.diskBytesPerSecond,
    limits?.diskOpsPerSecond,
    limits?.networkBytesPerSecond,
    balloonMib,
  ]);
  expect(asked).toEqual([
    [20n * 1024n ** 2n, 100, 0n, 0],
    [0n, 0, 1536n, 256],
    [undefined, undefined, undefined, undefined],
  ]);
  expect(await run(["--disk-iops", "0", "alpine:3"])).toMatchObject({
    code: 125,
    stderr: expect.stringContaining("--disk-iops 0: expected 1 or more"),
  });
});

test("stderr of the command is our stderr", async () => {
  expect(await run(["--", "err"])).toEqual({ code: 1, stdout: "", stderr: "oops\n" });
});

test("a named microVM stays, --rm removes it all the same", async () => {
  await run(["--name", "web", "--", "exit", "0"]);
  expect([...daemon.vms.values()].map((vm) => vm.microvm?.spec?.id)).toEqual(["web"]);
  await run(["--name", "gone", "--rm", "--", "exit", "0"]);
  expect(daemon.vms.size).toBe(1);
});

test("--detach prints the uid and leaves it running", async () => {
  const { code, stdout } = await run(["-d", "alpine:3"]);
  const [uid] = daemon.vms.keys();
  expect({ code, stdout }).toEqual({ code: 0, stdout: `${uid}\n` });
  expect(daemon.vms.get(uid ?? "")?.process).toMatchObject({ attach: false, tty: false });
});

test("our own failures are 125: usage, image, boot", async () => {
  expect((await run(["--bogus"])).code).toBe(125);
  expect((await run(["-p", "x:y", "alpine"])).code).toBe(125);
  expect(await run(["missing"])).toMatchObject({
    code: 125,
    stderr: "error[not_found]: image missing not found\n",
  });
  const broken = await run(["broken"]);
  expect(broken.code).toBe(125);
  expect(broken.stderr).toContain(
    "error[provider_failed]: microVM vm-1 failed at step start\nwhy: no such device\n",
  );
  expect(broken.stderr).toContain("kernel: panic");
  expect(daemon.vms.size).toBe(0);
});

test("a session that breaks off is an error, and the microVM is removed", async () => {
  const { code, stderr } = await run(["--", "hang-up"]);
  expect(code).toBe(125);
  expect(stderr).toContain("ended without an exit code");
  expect(daemon.vms.size).toBe(0);
});

test("a signal to a session goes to the command", async () => {
  const cli = startTestCli(["run", "--", "trap"], { address: daemon.address });
  await expect.poll(() => daemon.log).toContain("attach");
  cli.kill("SIGUSR1");
  expect(await cli.code).toBe(40);
  expect(daemon.log).toContain("signal USR1");
});

test("a command that ignores three interrupts is given up", async () => {
  const cli = startTestCli(["run", "--", "sleep"], { address: daemon.address });
  await expect.poll(() => daemon.log).toContain("attach");
  for (let count = 0; count < 3; count += 1) cli.kill("SIGINT");
  expect(await cli.code).toBe(130);
  expect(cli.stderr()).toContain("removed microVM vm-1");
  expect(daemon.vms.size).toBe(0);
});

test("an interrupt during boot cleans up and says so", async () => {
  const cli = startTestCli(["run", "--name", "web", "slow"], { address: daemon.address });
  await expect.poll(() => daemon.vms.size).toBe(1);
  await sleep(50);
  cli.kill("SIGINT");
  expect(await cli.code).toBe(130);
  expect(cli.stderr()).toBe("removed microVM web\ninterrupted\n");
  expect(daemon.vms.size).toBe(0);
});

test("a second interrupt stops at once and says what is left", async () => {
  const cli = startTestCli(["run", "slow"], { address: daemon.address });
  await expect.poll(() => daemon.vms.size).toBe(1);
  cli.kill("SIGINT");
  cli.kill("SIGINT");
  expect(cli.exits).toEqual([130]);
  expect(cli.stderr()).toMatch(/^left behind: microVM vm-1; remove it with: flintlock rm 01JD/);
  await cli.code;
});

test("--timeout ends it with 8 and removes what was made", async () => {
  const { code, stderr } = await run(["--timeout", "150ms", "slow"]);
  expect({ code, stderr }).toMatchObject({
    code: 8,
    stderr: expect.stringContaining("timed out after --timeout"),
  });
  expect(daemon.vms.size).toBe(0);
});

test("a slow reader of our stdout slows the guest down, and loses nothing", async () => {
  const total = 32 * 1024 * 1024;
  let received = 0;
  let mostAhead = 0;
  const stdout = new Writable({
    highWaterMark: 1024,
    write: (chunk: Buffer, _encoding, done) => {
      received += chunk.length;
      mostAhead = Math.max(mostAhead, daemon.flooded() - received);
      if (received < 1024 * 1024) setTimeout(done, 10);
      else done();
    },
  });
  const cli = startTestCli(["run", "--", "flood", String(total)], {
    address: daemon.address,
    stdout,
    input: "",
  });
  expect(await cli.code).toBe(0);
  expect(received).toBe(total);
  expect(mostAhead).toBeLessThan(12 * 1024 * 1024);
});

test("a reader that leaves ends us without a word, and the microVM with us", async () => {
  const stdout = new Writable({
    write: (_chunk, _encoding, done) => done(Object.assign(new Error("write EPIPE"), { code: "EPIPE" })),
  });
  stdout.on("error", () => {});
  const cli = startTestCli(["run", "--", "flood", "100000000"], {
    address: daemon.address,
    stdout,
    input: "",
  });
  expect(await cli.code).toBe(141);
  expect(cli.stderr()).toBe("");
  expect(daemon.vms.size).toBe(0);
});

test("on a terminal the command gets one, with its size and its changes", async () => {
  const cli = startTestCli(["run", "--", "cat", "0"], {
    address: daemon.address,
    terminal: { rows: 24, columns: 80 },
  });
  await expect.poll(() => daemon.log.some((line) => line.startsWith("attach"))).toBe(true);
  const [vm] = daemon.vms.values();
  const isForeground = daemon.log.includes("attach 80x24");
  // In the background of a shell's terminal none is used; tests may run there.
  expect(vm?.process?.tty).toBe(isForeground);
  cli.stdin.end();
  for (let count = 0; count < 3; count += 1) cli.kill("SIGINT");
  await cli.code;
});

test("an image with an init gets the serial console, until it powers off", async () => {
  const cli = startTestCli(["run", "init"], { address: daemon.address });
  await expect.poll(() => cli.stdout().toString()).toBe("login: ");
  cli.stdin.write("poweroff\n");
  expect(await cli.code).toBe(0);
  expect(cli.stdout().toString()).toBe("login: poweroff\n");
  expect(daemon.vms.size).toBe(0);
});

test("input that was read before the console took over is not lost", async () => {
  expect(await run(["init"], "poweroff\n")).toEqual({ code: 0, stdout: "login: poweroff\n", stderr: "" });
});
