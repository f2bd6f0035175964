import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type GuestProcess, type Machine, silentLog, type Uid } from "@flintlock/core";
import type { ProviderHarness } from "../../../packages/core/testing/contracts/provider.contract.ts";
import {
  createFirecrackerProvider,
  type FirecrackerOptions,
} from "../../../packages/daemon/src/adapters/providers/firecracker/provider.ts";
import type { VmmProvider } from "../../../packages/daemon/src/adapters/providers/shared/vmm-provider.ts";
import { createVolumeStore } from "../../../packages/daemon/src/adapters/volumes/volume-store.ts";
import type { GuestFiles } from "./guest-files.ts";
import type { MachineChange } from "./qemu-harness.ts";

const run = promisify(execFile);
const NEVER = new AbortController().signal;
const UNTIL_STOPPED = "while :; do sleep 1; done";

const unchanged = (machine: Machine): Machine => machine;

export interface FirecrackerHarness extends ProviderHarness {
  readonly root: string;
  provider(options?: Partial<FirecrackerOptions>): VmmProvider;
  machine(change?: MachineChange): Promise<Machine>;
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
  const providers: VmmProvider[] = [];
  const machines: Machine[] = [];
  const taps: string[] = [];
  const volumes = createVolumeStore();

  const provider: FirecrackerHarness["provider"] = (options = {}) => {
    const made = createFirecrackerProvider({
      binary,
      // Beside the guest images: taken out of the kernel once, not for each machine.
      kernelsDir: join(files.kernelPath, "../../../elf"),
      agentSocketsDir: join(root, "vsock"),
      log: silentLog,
      bootDeadlineMs: 240_000,
      ...own,
      ...options,
    });
    providers.push(made);
    return made;
  };

  return {
    root,
    provider,

    async machine({ script = UNTIL_STOPPED, process: override, pathPrefix = "vm", change = unchanged } = {}) {
      const uid = `01TEST${machines.length}${root.slice(-6).replaceAll("_", "-")}` as Uid;
      const directory = await mkdtemp(join(root, `${pathPrefix}-`));
      const format = { format: "raw", isReadOnly: false } as const;
      const disk = await volumes.ensure(directory, "root", files.baseDisk, format, NEVER);
      const guestProcess: GuestProcess = {
        args: ["/bin/sh", "-c", script],
        env: ["PATH=/bin:/sbin:/usr/bin:/usr/sbin", "GREETING=hello"],
        cwd: "/",
        user: "",
        tty: false,
        attach: false,
        ...override,
      };
      const machine = change({
        uid,
        label: "default/test",
        directory,
        vcpu: 1,
        memoryMib: 256,
        kernelPath: files.kernelPath,
        initrdPath: files.initrdPath,
        cmdline: {},
        disks: [{ ...disk, volumeId: "root" }],
        interfaces: [],
        ports: [],
        guest: {
          version: 1,
          hostname: "test",
          root: { device: "/dev/vda", fsType: "ext4", isReadOnly: false },
          mounts: [],
          interfaces: [],
          nameservers: [],
          boot: { prefer: "process", init: "/sbin/init", process: guestProcess },
        },
      });
      machines.push(machine);
      return machine;
    },

    async tap(user = 0) {
      const name = `fctest${taps.length}${process.pid % 10_000}`;
      await run("ip", ["tuntap", "add", "dev", name, "mode", "tap", "user", String(user)]);
      taps.push(name);
      await run("ip", ["link", "set", "dev", name, "up"]);
      return name;
    },

    async crash(ref) {
      const state = await provider().observe(ref);
      if (state.state === "running") process.kill(state.pid, "SIGKILL");
    },

    async close() {
      const last = provider();
      for (const machine of machines) await last.stop(machine, 0, NEVER);
      for (const each of providers) await each.close();
      for (const name of taps) await run("ip", ["link", "delete", "dev", name]);
      await rm(root, { recursive: true, force: true });
    },
  };
};
