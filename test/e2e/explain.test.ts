/** What `explain` tells of a microVM that runs, one that could not be made, and one whose command ends. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestDaemon } from "../support/daemon.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]();
});

const explain = async (name: string, ...flags: readonly string[]): Promise<string> => {
  const { code, stdout, stderr } = await daemon.flintlock(["explain", name, ...flags]);
  expect(code, stderr).toBe(0);
  return stdout;
};
const create = async (...args: readonly string[]) =>
  await daemon.flintlock(["create", "-m", "128M", ...args]);

test("one that runs: where the time of its start went, and what happened, which a stop adds to", async () => {
  expect((await create("-n", "web", "--", "sleep", "100000")).code).toBe(0);
  const told = await explain("web");
  expect(told).toMatch(/^default\/web {2}RUNNING/);
  expect(told).toMatch(/the last start that came up took [\d.]+ (ms|s)\n/);
  expect(told).toMatch(/ {2}bootMachine +[\d.]+ (ms|s) +=+\n/);
  expect(told).toMatch(/0\.\d{3} {2}created\n/);
  expect(told).not.toContain("what is wrong");
  expect((await daemon.flintlock(["stop", "web"])).code).toBe(0);
  expect(await explain("web")).toMatch(/STOPPED[\s\S]*running\n[\s\S]*stopped/);
});

test("an image that is not there: the step, the cause, and what to try", async () => {
  await create("-n", "none", "--no-wait", "127.0.0.1:1/no/such:1");
  await expect.poll(() => explain("none"), { timeout: 30_000 }).toContain("what is wrong");
  const told = await explain("none");
  expect(told).toMatch(/step {6}pullImage, unavailable/);
  expect(told).toContain("flintlock pull 127.0.0.1:1/no/such:1");
});

test("a command that ends: its code, the guest's last words, and the same as data", async () => {
  await create("-n", "ends", "--no-wait", "--", "sh", "-c", "echo these are my last words; exit 9");
  expect((await daemon.flintlock(["wait", "ends"])).code).toBe(0);
  const told = await explain("ends");
  expect(told).toMatch(/exit {6}9, /);
  expect(told).toContain("    these are my last words");
  const data: unknown = JSON.parse(await explain("ends", "-o", "json"));
  expect(data).toMatchObject({
    kind: "Explanation",
    microvm: { name: "ends", state: "EXITED" },
    console: expect.stringContaining("my last words"),
    advice: expect.stringContaining("flintlock logs ends"),
  });
});
