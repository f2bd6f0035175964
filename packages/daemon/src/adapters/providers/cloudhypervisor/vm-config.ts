/**
 * A machine as Cloud Hypervisor's `VmConfig` (its vmm/src/api/openapi/cloud-hypervisor.yaml). Pure: the same machine gives
 * the same object. One for all releases from v41 on: a release passes over fields that came after it.
 *
 * Sockets are relative: the VMM runs in the VM's directory. Devices have no ids of ours, for upstream's dashboards know
 * Cloud Hypervisor's own (`_disk0`, `_net1`).
 */
import {
  FlintlockError,
  type Machine,
  type MachineDisk,
  type MachineInterface,
  type Room,
} from "@flintlock/core";
import { completedCmdline, kernelCmdline } from "../shared/cmdline.ts";
import { diskSerial } from "../shared/disk-serial.ts";
import { STATUS_LOG } from "../shared/guest-status.ts";
import { virtiofsSocket } from "../shared/virtiofsd-process.ts";

/** COMPAT: upstream's name for it */
export const VSOCK = "guest-agent.vsock";
/** Of every guest: its vsock leads to its own VMM only */
const GUEST_CID = 3;
const MIB = 1024 * 1024;
/** A token bucket is full again after this long, so a limit is one for each second */
const REFILL_MS = 1000;

export interface VmConfig {
  readonly payload: { readonly kernel: string; readonly cmdline: string; readonly initramfs?: string };
  readonly cpus: { readonly boot_vcpus: number; readonly max_vcpus: number };
  readonly memory: { readonly size: number; readonly shared: boolean; readonly hotplug_size?: number };
  readonly disks: readonly DiskConfig[];
  readonly net: readonly NetConfig[];
  readonly fs?: readonly FilesystemConfig[];
  readonly rng: { readonly src: string };
  readonly balloon?: { readonly size: number; readonly deflate_on_oom: boolean };
  readonly vsock?: { readonly cid: number; readonly socket: string };
  readonly serial: ConsoleConfig;
  readonly console: ConsoleConfig;
}

export interface DiskConfig {
  readonly path: string;
  readonly readonly: boolean;
  readonly serial: string;
  /** Since v50.1; told, nobody looks for a format in what the guest has written */
  readonly image_type: "Raw";
  readonly rate_limiter_config?: RateLimiter;
}

export interface NetConfig {
  /** A TAP's name. Undefined: a descriptor, which the API does not take */
  readonly tap?: string;
  readonly mac: string;
  readonly mtu?: number;
  readonly rate_limiter_config?: RateLimiter;
}

export interface FilesystemConfig {
  readonly tag: string;
  readonly socket: string;
  readonly num_queues: number;
  readonly queue_size: number;
}

/** COMPAT: upstream's, and the VMM's own; its document wants them said */
const FS_QUEUES = { num_queues: 1, queue_size: 1024 } as const;

export interface RateLimiter {
  readonly bandwidth?: TokenBucket;
  readonly ops?: TokenBucket;
}

interface TokenBucket {
  readonly size: number;
  readonly refill_time: number;
}

interface ConsoleConfig {
  readonly mode: "Pty" | "Null" | "Off";
}

/**
 * `initrd` is the file that the VMM loads, if any; `room` what the machine may become while it runs.
 * @throws FlintlockError `invalid_spec` – the kernel's command line; `unsupported` – more than Cloud Hypervisor can do
 */
export const vmConfig = (
  machine: Machine,
  initrd: string | undefined,
  room: Pick<Room, "vcpu" | "memoryMib"> = machine,
): VmConfig => {
  refuseImpossible(machine);
  const cmdline = cmdlineOf(machine);
  const { vcpu, limits, filesystems = [], balloonMib } = machine;
  const terminal = isOnVirtioConsole(cmdline) ? "console" : "serial";
  return {
    payload: { kernel: machine.kernelPath, cmdline, ...(initrd !== undefined && { initramfs: initrd }) },
    cpus: { boot_vcpus: vcpu, max_vcpus: room.vcpu },
    // vhost-user needs to map what the guest has (docs/fs.md of Cloud Hypervisor).
    memory: {
      size: machine.memoryMib * MIB,
      shared: filesystems.length > 0,
      // The addresses alone.
      ...(room.memoryMib > machine.memoryMib && { hotplug_size: (room.memoryMib - machine.memoryMib) * MIB }),
    },
    disks: disksOf(machine).map((disk) =>
      diskConfig(disk, machine.disks.includes(disk) ? limits : undefined),
    ),
    net: machine.interfaces.map((iface) => netConfig(iface, limits)),
    ...(filesystems.length > 0 && {
      fs: filesystems.map(({ tag }, index) => ({ tag, socket: virtiofsSocket(index), ...FS_QUEUES })),
    }),
    rng: { src: "/dev/urandom" },
    ...(balloonMib !== undefined && { balloon: { size: balloonMib * MIB, deflate_on_oom: true } }),
    ...(hasVsock(machine) && { vsock: { cid: GUEST_CID, socket: VSOCK } }),
    serial: { mode: terminal === "serial" ? "Pty" : "Null" },
    console: { mode: terminal === "console" ? "Pty" : "Off" },
  };
};

const refuseImpossible = ({ interfaces, ports }: Machine): void => {
  const user = interfaces.findIndex(({ hostDevice }) => hostDevice === undefined);
  if (user >= 0) {
    throw new FlintlockError(
      "unsupported",
      `interfaces[${user}]: Cloud Hypervisor has no user-mode network`,
      {
        hint: "Give the daemon a --bridge-name or --parent-iface.",
      },
    );
  }
  if (ports.length > 0) {
    throw new FlintlockError(
      "unsupported",
      "ports: Cloud Hypervisor has no user-mode network to publish from",
      {
        hint: "A guest on a bridge is reached at its own address.",
      },
    );
  }
};

export const hasVsock = ({ guest, hasAgentSocket }: Machine): boolean =>
  guest !== undefined || hasAgentSocket === true;

const SEED_SERIAL = "flintlock-cidata";
const STATUS_SERIAL = "flintlock-status";

/** In the guest's order: the volumes keep their letters, the seed comes after them, the status last. */
export const disksOf = ({ disks, seed, guest, directory }: Machine): readonly MachineDisk[] => [
  ...disks,
  ...(seed === undefined ? [] : [{ ...seed, volumeId: SEED_SERIAL }]),
  ...(guest === undefined
    ? []
    : [
        {
          path: `${directory}/${STATUS_LOG}`,
          format: "raw",
          isReadOnly: false,
          volumeId: STATUS_SERIAL,
        } as const,
      ]),
];

const diskConfig = (disk: MachineDisk, limits: Machine["limits"]): DiskConfig => ({
  path: disk.path,
  readonly: disk.isReadOnly,
  serial: diskSerial(disk.volumeId),
  image_type: "Raw",
  ...limited(limits?.diskBytesPerSecond, limits?.diskOpsPerSecond),
});

const netConfig = ({ hostDevice, mac }: MachineInterface, limits: Machine["limits"]): NetConfig => ({
  ...(hostDevice?.kind === "tap" && { tap: hostDevice.name }),
  mac,
  ...(hostDevice?.mtu !== undefined && { mtu: hostDevice.mtu }),
  // Each way has buckets of its own.
  ...limited(limits?.networkBytesPerSecond, undefined),
});

const limited = (
  bytesPerSecond: number | undefined,
  opsPerSecond: number | undefined,
): { readonly rate_limiter_config?: RateLimiter } => {
  if (bytesPerSecond === undefined && opsPerSecond === undefined) return {};
  return {
    rate_limiter_config: {
      ...(bytesPerSecond !== undefined && { bandwidth: { size: bytesPerSecond, refill_time: REFILL_MS } }),
      ...(opsPerSecond !== undefined && { ops: { size: opsPerSecond, refill_time: REFILL_MS } }),
    },
  };
};

const cmdlineOf = (machine: Machine): string => {
  const { cmdline, wholeCmdline } = machine;
  const needed = rootParameters(machine.disks[0]);
  return wholeCmdline === undefined
    ? kernelCmdline({ ...DEFAULT_PARAMETERS, ...needed }, cmdline)
    : completedCmdline({ ...needed, ...cmdline }, withPci(wholeCmdline));
};

/**
 * COMPAT: upstream's, but for two. Its `hvc0` says nothing before the kernel's driver for it is there, often a module;
 * whoever wants it says `console=hvc0`. And its `reboot=k` makes a guest of ours, which has ACPI, end by a restart.
 */
const DEFAULT_PARAMETERS = { console: "ttyS0", quiet: "", panic: "1" } as const;

const rootParameters = (root: MachineDisk | undefined): Readonly<Record<string, string>> =>
  root === undefined
    ? {}
    : {
        root: root.partitionId === undefined ? "/dev/vda" : `PARTUUID=${root.partitionId}`,
        [root.isReadOnly ? "ro" : "rw"]: "",
      };

/** COMPAT: lines written for Firecracker say `pci=off`, which is true of its machine; here it would hide the disks. */
const withPci = (line: string): string => line.replaceAll(/(?<=^| )pci=off(?= |$)/g, "");

/** The last console named is the one that programs have as /dev/console. */
const isOnVirtioConsole = (cmdline: string): boolean =>
  [...cmdline.matchAll(/(?:^| )console=([^ ,]*)/g)].at(-1)?.[1] === "hvc0";
