import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { providerContract } from "../../../packages/core/testing/contracts/provider.contract.ts";
import { type GuestFiles, unpackGuestFiles } from "./guest-files.ts";
import { createQemuHarness } from "./qemu-harness.ts";

let directory: string;
let files: GuestFiles;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "flintlock-guest-"));
  files = await unpackGuestFiles(directory);
});
afterAll(async () => await rm(directory, { recursive: true }));

providerContract("qemu", () => createQemuHarness(files), { timeoutMs: 120_000, graceMs: 20_000 });
