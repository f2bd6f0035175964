import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "@flintlock/core";
import {
  type CloudHypervisorOptions,
  createCloudHypervisorProvider,
} from "../../../packages/daemon/src/adapters/providers/cloudhypervisor/provider.ts";
import type { VmmProvider } from "../../../packages/daemon/src/adapters/providers/shared/vmm-provider.ts";
import type { GuestFiles } from "./guest-files.ts";
import { createMachineHarness, type MachineHarness } from "./machine-harness.ts";

export type CloudHypervisorHarness = MachineHarness<VmmProvider, CloudHypervisorOptions>;

/** Real machines on a real Cloud Hypervisor, in a directory of their own. They have no network unless they are given one. */
export const createCloudHypervisorHarness = async (
  files: GuestFiles,
  binary: string,
): Promise<CloudHypervisorHarness> => {
  const root = await mkdtemp(join(tmpdir(), "flintlock-ch-"));
  return createMachineHarness<VmmProvider, CloudHypervisorOptions>({
    files,
    root,
    format: "raw",
    memoryMib: 256,
    makeProvider: (options) =>
      createCloudHypervisorProvider({
        binaries: [binary],
        agentSocketsDir: join(root, "vsock"),
        log: silentLog,
        // A guest in an emulated host, beside others.
        bootDeadlineMs: 300_000,
        ...options,
      }),
  });
};
