/** The contract of a provider on QEMU with KVM. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { providerContract } from "../../packages/core/testing/contracts/provider.contract.ts";
import { probeAccelerator } from "../../packages/daemon/src/adapters/providers/qemu/accelerator.ts";
import { type GuestFiles, unpackGuestFiles } from "../integration/providers/guest-files.ts";
import { createQemuHarness } from "../integration/providers/qemu-harness.ts";

let directory: string;
let files: GuestFiles;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "flintlock-guest-"));
  files = await unpackGuestFiles(directory);
});
afterAll(async () => await rm(directory, { recursive: true }));

test("KVM runs a guest here", async () => {
  // The harness reads the answer from there; an emulated host may take longer than it would wait.
  const stateFile = join(import.meta.dirname, "../../dist/test-accelerator.json");
  const probe = { binary: "qemu-system-x86_64", stateFile, timeoutMs: 120_000 };
  expect(await probeAccelerator(probe, new AbortController().signal)).toMatchObject({ accelerator: "kvm" });
});

providerContract("qemu", () => createQemuHarness(files), { timeoutMs: 600_000, graceMs: 60_000 });
