/** The contract on each Firecracker in FLINTLOCK_VMM_DIR, where a guest runs under KVM. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe } from "vitest";
import { providerContract } from "../../../packages/core/testing/contracts/provider.contract.ts";
import { createFirecrackerHarness } from "./firecracker-harness.ts";
import { type GuestFiles, unpackGuestFiles } from "./guest-files.ts";
import { vmmBinaries } from "./vmm-binaries.ts";

for (const { name, path, obstacle } of await vmmBinaries("firecracker")) {
  describe.skipIf(obstacle !== undefined)(`${name}${obstacle === undefined ? "" : `: ${obstacle}`}`, () => {
    let directory: string;
    let files: GuestFiles;
    beforeAll(async () => {
      directory = await mkdtemp(join(tmpdir(), "flintlock-guest-"));
      files = await unpackGuestFiles(directory);
    });
    afterAll(async () => await rm(directory, { recursive: true }));

    providerContract(name, () => createFirecrackerHarness(files, path ?? name), {
      timeoutMs: 300_000,
      graceMs: 60_000,
    });
  });
}
