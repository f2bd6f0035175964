import { execFile } from "node:child_process";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { silentLog } from "@flintlock/core";
import {
  createFirecrackerProvider,
  type FirecrackerOptions,
} from "../../../packages/daemon/src/adapters/providers/firecracker/provider.ts";
import type { VmmProvider } from "../../../packages/daemon/src/adapters/providers/shared/vmm-provider.ts";
import type { GuestFiles } from "./guest-files.ts";
import { createMachineHarness, type MachineHarness } from "./machine-harness.ts";

const run = promisify(execFile);

export interface FirecrackerHarness extends MachineHarness<VmmProvider, FirecrackerOptions> {
  /** A new TAP device of that user, without an address; it goes with the harness. */
  tap(user?: number): Promise<string>;
}

/** Real machines on a real Firecracker, in a directory of their own. They have no network unless they are given one. */
export const createFirecrackerHarness = async (
  files: GuestFiles,
  binary: string,
  own: Partial<FirecrackerOptions> = {},
): Promise<FirecrackerHarness> => {
  const root = await mkdtemp(join(tmpdir(), "flintlock-fc-"));
  const taps: string[] = [];
  const harness = createMachineHarness<VmmProvider, FirecrackerOptions>({
    files,
    root,
    format: "raw",
    memoryMib: 256,
    makeProvider: (options) =>
      createFirecrackerProvider({
        binary,
        // Beside the guest images: taken out of the kernel once, not for each machine.
        kernelsDir: join(files.kernelPath, "../../../elf"),
        agentSocketsDir: join(root, "vsock"),
        log: silentLog,
        bootDeadlineMs: 240_000,
        ...own,
        ...options,
      }),
  });
  return {
    ...harness,

    async tap(user = 0) {
      const name = `fctest${taps.length}${process.pid % 10_000}`;
      await run("ip", ["tuntap", "add", "dev", name, "mode", "tap", "user", String(user)]);
      taps.push(name);
      await run("ip", ["link", "set", "dev", name, "up"]);
      return name;
    },

    async close() {
      await harness.close();
      for (const name of taps) await run("ip", ["link", "delete", "dev", name]);
    },
  };
};
