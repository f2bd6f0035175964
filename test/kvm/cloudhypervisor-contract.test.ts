/** The contract on each Cloud Hypervisor in FLINTLOCK_VMM_DIR, where a guest runs under KVM. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe } from "vitest";
import { providerContract } from "../../packages/core/testing/contracts/provider.contract.ts";
import { createCloudHypervisorHarness } from "../integration/providers/cloudhypervisor-harness.ts";
import { type GuestFiles, unpackGuestFiles } from "../integration/providers/guest-files.ts";
import { vmmBinaries } from "../integration/providers/vmm-binaries.ts";

for (const { name, path, obstacle } of await vmmBinaries("cloud-hypervisor")) {
  describe.skipIf(obstacle !== undefined)(obstacle === undefined ? name : `${name}: ${obstacle}`, () => {
    let directory: string;
    let files: GuestFiles;
    beforeAll(async () => {
      directory = await mkdtemp(join(tmpdir(), "flintlock-guest-"));
      files = await unpackGuestFiles(directory);
    });
    afterAll(async () => await rm(directory, { recursive: true }));

    providerContract(name, () => createCloudHypervisorHarness(files, path ?? name), {
      timeoutMs: 600_000,
      graceMs: 60_000,
    });
  });
}
