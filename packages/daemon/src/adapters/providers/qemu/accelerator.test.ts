import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type AcceleratorReport, probeAccelerator } from "./accelerator.ts";

const signal = new AbortController().signal;
let directory: string;
let device: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "accelerator-"));
  device = join(directory, "kvm");
  await writeFile(device, "");
});
afterEach(async () => await rm(directory, { recursive: true }));

/** A QEMU that has a version and otherwise does as `script` says, counting its runs. */
const fakeQemu = async (script: string, version = "7.2"): Promise<string> => {
  const binary = join(directory, "qemu");
  const text = `#!/bin/sh\n[ "$1" = --version ] && { echo "QEMU ${version}"; exit; }\necho x >> "$0.runs"\n${script}\n`;
  await writeFile(binary, text);
  await chmod(binary, 0o755);
  return binary;
};
const probe = async (script: string, version?: string): Promise<AcceleratorReport> => {
  const binary = await fakeQemu(script, version);
  const stateFile = join(directory, "state.json");
  return await probeAccelerator({ binary, stateFile, device, timeoutMs: 500 }, signal);
};
const runs = async (): Promise<number> =>
  (await readFile(join(directory, "qemu.runs"), "utf8").catch(() => "")).length / 2;

test("only a firmware that ran under KVM means KVM", async () => {
  expect(await probe("exit 33")).toEqual({ accelerator: "kvm", reason: "a guest ran under KVM" });
});

test.each([
  ["ends by itself", "exit 0", /without running its firmware/],
  ["fails", "echo 'failed to set MSR 0x10a' >&2; exit 1", /failed to set MSR 0x10a/],
  ["aborts", "kill -ABRT $$", /QEMU failed under KVM/],
])("a QEMU that %s under KVM means TCG", async (_, script, reason) => {
  expect(await probe(script)).toEqual({ accelerator: "tcg", reason: expect.stringMatching(reason) });
});

test("a QEMU that hangs under KVM means TCG for now, and is asked again by the next daemon", async () => {
  const guess = { accelerator: "tcg", reason: expect.stringMatching(/in time/), isGuess: true };
  expect(await probe("exec sleep 30")).toEqual(guess);
  expect(await probe("exit 33")).toEqual({ accelerator: "kvm", reason: "a guest ran under KVM" });
});

test("without the device QEMU is not even tried", async () => {
  await rm(device);
  expect(await probe("exit 33")).toEqual({ accelerator: "tcg", reason: `there is no ${device}` });
  expect(await runs()).toBe(0);
});

test("the answer is remembered until QEMU or the device changes, or the memory is torn", async () => {
  await probe("exit 33");
  await probe("exit 33");
  expect(await runs()).toBe(1);
  expect((await probe("exit 1", "8.0")).accelerator).toBe("tcg");
  expect(await runs()).toBe(2);
  await writeFile(join(directory, "state.json"), '{"key":');
  await probe("exit 33", "8.0");
  expect(await runs()).toBe(3);
  await rm(device);
  expect((await probe("exit 33", "8.0")).accelerator).toBe("tcg");
});
