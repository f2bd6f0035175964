import { afterEach, beforeEach, expect, test } from "vitest";
import { type FakeDaemon, startFakeDaemon } from "../../../client/src/testing/fake-daemon.ts";
import { runTestCli, startTestCli } from "../testing/run-test-cli.ts";

let daemon: FakeDaemon;
beforeEach(async () => {
  daemon = await startFakeDaemon();
  await flintlock("create", "--name", "web");
});
afterEach(() => daemon[Symbol.asyncDispose]());

const flintlock = (...argv: readonly string[]) => runTestCli(argv, { address: daemon.address });

test("where there is no terminal, one table of what two looks tell", async () => {
  const { code, stdout } = await flintlock("top");
  expect([code, stdout.split("\n").map((line) => line.split(/ {2,}/))]).toEqual([
    0,
    [
      [
        "NAME",
        "STATE",
        "GUEST CPU",
        "GUEST MEMORY",
        "ROOT DISK",
        "NET IN",
        "NET OUT",
        "PROCESSES",
        "VMM CPU",
        "VMM MEMORY",
      ],
      [
        "web",
        "RUNNING",
        "25.0%",
        "128 MiB / 512 MiB",
        "512 MiB / 1.0 GiB",
        "2.0 KiB",
        "2.0 KiB",
        "7",
        "10.0%",
        "128 MiB",
      ],
      [""],
    ],
  ]);
});

test("for programs the same as objects, numbers of the API with them", async () => {
  const { stdout } = await flintlock("top", "web", "-o", "json");
  expect(JSON.parse(stdout)).toMatchObject([
    { kind: "Usage", name: "web", guestCpuPercent: 25, vmmCpuPercent: 10, guest: { processes: 7 } },
  ]);
});

test("a guest that says nothing is a row of dashes, and -o wide says why; one that is not there fails", async () => {
  await flintlock("create", "--name", "silent", "mute");
  const { code, stdout, stderr } = await flintlock("top", "silent", "none", "-o", "wide");
  expect([code, stdout]).toEqual([
    11,
    expect.stringMatching(/silent .* - .* 10\.0%.*said nothing within 2000 ms/),
  ]);
  expect(stderr).toContain("none not found");
});

test("on a terminal the table is drawn again and again, until we are told to stop", async () => {
  const terminal = { rows: 24, columns: 200 };
  const cli = startTestCli(["top", "--interval", "50ms"], { address: daemon.address, terminal });
  await expect.poll(() => cli.stdout().toString().split("\u001b[H\u001b[J").length).toBeGreaterThan(3);
  cli.kill("SIGINT");
  expect(await cli.code).toBe(130);
});

test("addresses are in ls -o wide and in inspect, as the guest's own word", async () => {
  expect((await flintlock("ls", "-o", "wide")).stdout).toMatch(/GUEST ADDRESSES.*10\.0\.2\.15, fd00::1 /s);
  const [inspected] = JSON.parse((await flintlock("inspect", "web")).stdout);
  expect(inspected.guestReported).toMatchObject({ addresses: ["10.0.2.15", "fd00::1"], processes: 7 });
  expect((await flintlock("ls")).stdout).not.toContain("10.0.2.15");
});
