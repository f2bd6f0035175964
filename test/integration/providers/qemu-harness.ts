import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "@flintlock/core";
import {
  createQemuProvider,
  type QemuOptions,
  type QemuProvider,
} from "../../../packages/daemon/src/adapters/providers/qemu/provider.ts";
import type { GuestFiles } from "./guest-files.ts";
import { createMachineHarness, type MachineHarness } from "./machine-harness.ts";

const MAC = "02:00:00:00:00:01";

export type QemuHarness = MachineHarness<QemuProvider, QemuOptions>;

/** Real machines on the real QEMU, in a directory of their own. */
export const createQemuHarness = async (files: GuestFiles): Promise<QemuHarness> => {
  const root = await mkdtemp(join(tmpdir(), "flintlock-qemu-"));
  return createMachineHarness<QemuProvider, QemuOptions>({
    files,
    root,
    format: "qcow2",
    memoryMib: 128,
    interfaces: [{ deviceId: "eth0", mac: MAC, hostDevice: undefined }],
    guestInterfaces: [{ mac: MAC, name: "eth0", addresses: ["10.0.2.15/24"], gateway: "10.0.2.2" }],
    makeProvider: (options) =>
      createQemuProvider({
        binary: "qemu-system-x86_64",
        accelerator: "auto",
        // Beside the guest images: remembered from test to test, and no litter elsewhere.
        stateFile: join(import.meta.dirname, "../../../dist/test-accelerator.json"),
        agentSocketsDir: join(root, "vsock"),
        log: silentLog,
        bootDeadlineMs: 90_000,
        ...options,
      }),
  });
};
