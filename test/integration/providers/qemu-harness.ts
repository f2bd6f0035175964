import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type GuestProcess, type Machine, silentLog, type Uid } from "@flintlock/core";
import type { ProviderHarness } from "../../../packages/core/testing/contracts/provider.contract.ts";
import {
  createQemuProvider,
  type QemuOptions,
  type QemuProvider,
} from "../../../packages/daemon/src/adapters/providers/qemu/provider.ts";
import { createVolumeStore } from "../../../packages/daemon/src/adapters/volumes/volume-store.ts";
import type { GuestFiles } from "./guest-files.ts";

const NEVER = new AbortController().signal;
const UNTIL_STOPPED = "while :; do sleep 1; done";

const unchanged = (machine: Machine): Machine => machine;

export interface MachineChange {
  /** A shell script to run; by default it waits until it is stopped */
  readonly script?: string;
  readonly process?: Partial<GuestProcess>;
  /** Nested this deep below the usual place */
  readonly pathPrefix?: string;
  readonly change?: (machine: Machine) => Machine;
}

export interface QemuHarness extends ProviderHarness {
  provider(options?: Partial<QemuOptions>): QemuProvider;
  machine(change?: MachineChange): Promise<Machine>;
}

/** Real machines on the real QEMU, in a directory of their own. */
export const createQemuHarness = async (files: GuestFiles): Promise<QemuHarness> => {
  const root = await mkdtemp(join(tmpdir(), "flintlock-qemu-"));
  const providers: QemuProvider[] = [];
  const machines: Machine[] = [];
  const volumes = createVolumeStore();

  const provider: QemuHarness["provider"] = (options = {}) => {
    const made = createQemuProvider({
      binary: "qemu-system-x86_64",
      accelerator: "auto",
      // Beside the guest images: remembered from test to test, and no litter elsewhere.
      stateFile: join(import.meta.dirname, "../../../dist/test-accelerator.json"),
      agentSocketsDir: join(root, "vsock"),
      log: silentLog,
      bootDeadlineMs: 90_000,
      ...options,
    });
    providers.push(made);
    return made;
  };

  return {
    provider,

    async machine({ script = UNTIL_STOPPED, process: own, pathPrefix = "vm", change = unchanged } = {}) {
      const uid = `01TEST${machines.length}${root.slice(-6)}` as Uid;
      const directory = await mkdtemp(join(root, `${pathPrefix}-`));
      const disk = await volumes.ensure(
        directory,
        "root",
        files.baseDisk,
        { format: "qcow2", isReadOnly: false },
        NEVER,
      );
      const guestProcess: GuestProcess = {
        args: ["/bin/sh", "-c", script],
        env: ["PATH=/bin:/sbin:/usr/bin:/usr/sbin", "GREETING=hello"],
        cwd: "/",
        user: "",
        tty: false,
        attach: false,
        ...own,
      };
      const machine = change({
        uid,
        label: "default/test",
        directory,
        vcpu: 1,
        memoryMib: 128,
        kernelPath: files.kernelPath,
        initrdPath: files.initrdPath,
        cmdline: {},
        disks: [{ ...disk, volumeId: "root" }],
        interfaces: [{ deviceId: "eth0", mac: "02:00:00:00:00:01", hostDevice: undefined }],
        ports: [],
        guest: {
          version: 1,
          hostname: "test",
          root: { device: "/dev/vda", fsType: "ext4", isReadOnly: false },
          mounts: [],
          interfaces: [
            { mac: "02:00:00:00:00:01", name: "eth0", addresses: ["10.0.2.15/24"], gateway: "10.0.2.2" },
          ],
          nameservers: [],
          boot: { prefer: "process", init: "/sbin/init", process: guestProcess },
        },
      });
      machines.push(machine);
      return machine;
    },

    async crash(ref) {
      const state = await provider().observe(ref);
      if (state.state === "running") process.kill(state.pid, "SIGKILL");
    },

    async close() {
      const last = provider();
      for (const machine of machines) await last.stop(machine, 0, NEVER);
      for (const each of providers) await each.close();
      await rm(root, { recursive: true, force: true });
    },
  };
};
