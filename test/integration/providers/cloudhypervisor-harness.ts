import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type GuestProcess, type Machine, silentLog, type Uid } from "@flintlock/core";
import type { ProviderHarness } from "../../../packages/core/testing/contracts/provider.contract.ts";
import {
  type CloudHypervisorOptions,
  createCloudHypervisorProvider,
} from "../../../packages/daemon/src/adapters/providers/cloudhypervisor/provider.ts";
import type { VmmProvider } from "../../../packages/daemon/src/adapters/providers/shared/vmm-provider.ts";
import { createVolumeStore } from "../../../packages/daemon/src/adapters/volumes/volume-store.ts";
import type { GuestFiles } from "./guest-files.ts";
import type { MachineChange } from "./qemu-harness.ts";

const NEVER = new AbortController().signal;
const UNTIL_STOPPED = "while :; do sleep 1; done";

const unchanged = (machine: Machine): Machine => machine;

export interface CloudHypervisorHarness extends ProviderHarness {
  provider(options?: Partial<CloudHypervisorOptions>): VmmProvider;
  machine(change?: MachineChange): Promise<Machine>;
}

/** Real machines on a real Cloud Hypervisor, in a directory of their own. They have no network unless they are given one. */
export const createCloudHypervisorHarness = async (
  files: GuestFiles,
  binary: string,
): Promise<CloudHypervisorHarness> => {
  const root = await mkdtemp(join(tmpdir(), "flintlock-ch-"));
  const providers: VmmProvider[] = [];
  const machines: Machine[] = [];
  const volumes = createVolumeStore();

  const provider: CloudHypervisorHarness["provider"] = (options = {}) => {
    const made = createCloudHypervisorProvider({
      binaries: [binary],
      agentSocketsDir: join(root, "vsock"),
      log: silentLog,
      // A guest in an emulated host, beside others.
      bootDeadlineMs: 300_000,
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
      const format = { format: "raw", isReadOnly: false } as const;
      const disk = await volumes.ensure(directory, "root", files.baseDisk, format, NEVER);
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
