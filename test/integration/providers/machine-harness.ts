/** Machines of our own initrd and root for tests of providers, whichever VMM is behind them. */
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import type { DiskFormat, GuestInterface, GuestProcess, Machine, Uid } from "@flintlock/core";
import type { ProviderHarness } from "../../../packages/core/testing/contracts/provider.contract.ts";
import type { VmmProvider } from "../../../packages/daemon/src/adapters/providers/shared/vmm-provider.ts";
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

export interface MachineHarness<P extends VmmProvider, O> extends ProviderHarness {
  readonly root: string;
  provider(options?: Partial<O>): P;
  machine(change?: MachineChange): Promise<Machine>;
}

export interface MachineKind<P extends VmmProvider, O> {
  readonly files: GuestFiles;
  /** Of the harness alone, removed with it */
  readonly root: string;
  readonly format: DiskFormat;
  readonly memoryMib: number;
  /** None, unless a VMM has a network of its own */
  readonly interfaces?: Machine["interfaces"];
  readonly guestInterfaces?: readonly GuestInterface[];
  makeProvider(options: Partial<O>): P;
}

export const createMachineHarness = <P extends VmmProvider, O>({
  files,
  root,
  format,
  memoryMib,
  interfaces = [],
  guestInterfaces = [],
  makeProvider,
}: MachineKind<P, O>): MachineHarness<P, O> => {
  const providers: P[] = [];
  const machines: Machine[] = [];
  const volumes = createVolumeStore();

  const provider = (options: Partial<O> = {}): P => {
    const made = makeProvider(options);
    providers.push(made);
    return made;
  };

  return {
    root,
    provider,

    async machine({ script = UNTIL_STOPPED, process: own, pathPrefix = "vm", change = unchanged } = {}) {
      const uid = `01TEST${machines.length}${root.slice(-6).replaceAll("_", "-")}` as Uid;
      const directory = await mkdtemp(join(root, `${pathPrefix}-`));
      const want = { format, isReadOnly: false };
      const disk = await volumes.ensure(directory, "root", files.baseDisk, want, NEVER);
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
        memoryMib,
        kernelPath: files.kernelPath,
        initrdPath: files.initrdPath,
        cmdline: {},
        disks: [{ ...disk, volumeId: "root" }],
        interfaces,
        ports: [],
        guest: {
          version: 1,
          hostname: "test",
          root: { device: "/dev/vda", fsType: "ext4", isReadOnly: false },
          mounts: [],
          interfaces: guestInterfaces,
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
