/**
 * A machine as the requests that configure a Firecracker, in their order. Pure: the same machine, the same requests.
 * See src/firecracker/swagger/firecracker.yaml of its repository.
 */
import { createHash } from "node:crypto";
import { FlintlockError, type Machine, type MachineInterface, type RateLimits } from "@flintlock/core";
import { diskName } from "../shared/disk-name.ts";
import { STATUS_LOG } from "../shared/guest-status.ts";
import type { VmmRequest } from "../shared/vmm-api.ts";
import { bootArgs, namesRoot } from "./boot-args.ts";
import { cpuTemplate } from "./cpu-config.ts";
import { METRICS_FILE, VSOCK_SOCKET } from "./files.ts";
import { type MetadataContent, metadataInterface } from "./metadata.ts";

/** Drives of ours; a volume's id starts with a letter or digit */
const SEED_DRIVE = "_cidata";
const STATUS_DRIVE = "_status";
/** The lowest that names no host (vsock(7)); each Firecracker has a socket of its own, so all may have it */
const GUEST_CID = 3;
const REFILL_MS = 1000;
const BALLOON_STATS_S = 5;
/** Interrupts of the MMIO bus (17 since 1.15, one more before) */
const MMIO_DEVICES = 17;

/** What the machine's files are called where the VMM runs. */
export interface MachinePaths {
  readonly kernel: string;
  readonly initrd: string | undefined;
  /** As `drivesOf` has them */
  disk(path: string): string;
}

export interface RequestOptions {
  readonly paths: MachinePaths;
  readonly hasPci: boolean;
  readonly metadata: MetadataContent | undefined;
  readonly metadataVersion: "V1" | "V2";
  readonly architecture: NodeJS.Architecture;
}

export const START: VmmRequest = { method: "PUT", path: "/actions", body: { action_type: "InstanceStart" } };

/**
 * All but `START`.
 * @throws FlintlockError `invalid_spec`, `unsupported` – what Firecracker cannot do
 */
export const machineRequests = (machine: Machine, options: RequestOptions): readonly VmmRequest[] => {
  const { paths, hasPci } = options;
  const devices = deviceCount(machine);
  if (!hasPci && devices > MMIO_DEVICES) {
    throw new FlintlockError(
      "unsupported",
      `Firecracker takes at most ${MMIO_DEVICES} devices without PCI; this microVM has ${devices}, its own included`,
      { hint: "Firecracker 1.13 or newer has PCI: see --firecracker-pci." },
    );
  }
  const template = cpuTemplate(machine);
  return [
    put("/metrics", { metrics_path: METRICS_FILE }),
    put("/machine-config", machineConfig(machine, options.architecture)),
    ...(template === undefined ? [] : [put("/cpu-config", template)]),
    put("/boot-source", {
      kernel_image_path: paths.kernel,
      boot_args: bootArgs(machine, { hasPci, devices }),
      ...(paths.initrd !== undefined && { initrd_path: paths.initrd }),
    }),
    ...drivesOf(machine).map((drive) => put(`/drives/${drive.drive_id}`, withPath(drive, paths))),
    ...machine.interfaces.map((iface) =>
      put(`/network-interfaces/${iface.deviceId}`, interfaceOf(iface, machine.limits)),
    ),
    ...metadataRequests(machine, options),
    ...(hasVsock(machine)
      ? [put("/vsock", { vsock_id: "guest-agent", guest_cid: GUEST_CID, uds_path: VSOCK_SOCKET })]
      : []),
    put("/entropy", {}),
    ...balloonRequests(machine),
  ];
};

/** One more or less than it has is not worth a guest that does not boot. */
export const needsPci = (machine: Machine): boolean => deviceCount(machine) > MMIO_DEVICES;

export const hasVsock = ({ guest, hasAgentSocket }: Machine): boolean =>
  guest !== undefined || hasAgentSocket === true;

/** Where our guest finds its status disk: the last one. */
export const statusDevice = (machine: Machine): string => `/dev/${diskName(drivesOf(machine).length - 1)}`;

export interface Drive {
  readonly drive_id: string;
  readonly path_on_host: string;
  readonly is_root_device: boolean;
  readonly is_read_only: boolean;
  readonly cache_type: "Unsafe" | "Writeback";
  readonly partuuid?: string;
  readonly rate_limiter?: object;
}

/** Root first, then the volumes in order, cloud-init's disk and the status disk: /dev/vda, /dev/vdb, … */
export const drivesOf = (machine: Machine): readonly Drive[] => {
  const { disks, seed, guest, limits } = machine;
  const limiter = rateLimiter(limits?.diskBytesPerSecond, limits?.diskOpsPerSecond);
  const isNamed = namesRoot(machine);
  const volumes = disks.map((disk, index): Drive => {
    const isRoot = index === 0 && !isNamed;
    if (disk.format !== "raw") {
      throw new FlintlockError("unsupported", `Firecracker opens raw disks only, not ${disk.format}`);
    }
    return {
      drive_id: driveId(disk.volumeId),
      path_on_host: disk.path,
      is_root_device: isRoot,
      is_read_only: disk.isReadOnly,
      cache_type: disk.isReadOnly ? "Unsafe" : "Writeback",
      ...(isRoot && disk.partitionId !== undefined && { partuuid: disk.partitionId }),
      ...(limiter !== undefined && { rate_limiter: limiter }),
    };
  });
  const own = (drive_id: string, path_on_host: string, is_read_only: boolean): Drive => ({
    drive_id,
    path_on_host,
    is_root_device: false,
    is_read_only,
    cache_type: "Unsafe",
  });
  return [
    ...volumes,
    ...(seed === undefined ? [] : [own(SEED_DRIVE, seed.path, true)]),
    ...(guest === undefined ? [] : [own(STATUS_DRIVE, STATUS_LOG, false)]),
  ];
};

/** Firecracker's ids are letters, digits and `_`; a volume's id that has more keeps apart from others by its hash. */
export const driveId = (volumeId: string): string => {
  const plain = volumeId.replaceAll(/[^A-Za-z0-9_]/g, "_");
  if (plain === volumeId) return plain;
  return `${plain}_${createHash("sha256").update(volumeId).digest("hex").slice(0, 8)}`;
};

const withPath = (drive: Drive, paths: MachinePaths): Drive => ({
  ...drive,
  path_on_host: paths.disk(drive.path_on_host),
});

const machineConfig = ({ vcpu, memoryMib }: Machine, architecture: NodeJS.Architecture): object => ({
  vcpu_count: vcpu,
  mem_size_mib: memoryMib,
  // COMPAT: on as upstream has it, where Firecracker allows it.
  smt: architecture === "x64" && (vcpu === 1 || vcpu % 2 === 0),
  track_dirty_pages: false,
});

const interfaceOf = (
  { deviceId, mac, hostDevice }: MachineInterface,
  limits: RateLimits | undefined,
): object => {
  if (hostDevice?.kind !== "tap") {
    const what = hostDevice === undefined ? "a user-mode network" : "MACVTAP";
    throw new FlintlockError("unsupported", `interface ${deviceId}: Firecracker has no ${what}`, {
      hint: "Give it a TAP interface.",
    });
  }
  const limiter = rateLimiter(limits?.networkBytesPerSecond, undefined);
  return {
    iface_id: deviceId,
    host_dev_name: hostDevice.name,
    guest_mac: mac,
    ...(limiter !== undefined && { rx_rate_limiter: limiter, tx_rate_limiter: limiter }),
  };
};

const metadataRequests = (
  machine: Machine,
  { metadata, metadataVersion }: RequestOptions,
): readonly VmmRequest[] => {
  const over = metadataInterface(machine);
  if (metadata === undefined || over === undefined) return [];
  return [
    put("/mmds/config", { version: metadataVersion, network_interfaces: [over] }),
    put("/mmds", metadata),
  ];
};

/** Of each volume, root first: its drive, and where the VMM has its file. */
export const volumeDrives = (machine: Machine, paths: Pick<MachinePaths, "disk">): readonly DriveOfVolume[] =>
  machine.disks.map(({ volumeId, path }) => ({
    volumeId,
    file: path,
    driveId: driveId(volumeId),
    path: paths.disk(path),
  }));

export interface DriveOfVolume {
  readonly volumeId: string;
  /** On the host */
  readonly file: string;
  readonly driveId: string;
  readonly path: string;
}

/** For a device that runs: a bucket of size 0 is none, and one that is left out stays as it was. */
export const changedLimiter = (bytesPerSecond = 0, opsPerSecond = 0): object => ({
  bandwidth: bucket(bytesPerSecond),
  ops: bucket(opsPerSecond),
});

const bucket = (size: number): object => ({ size, refill_time: size === 0 ? 0 : REFILL_MS });

const balloonRequests = ({ balloonMib }: Machine): readonly VmmRequest[] => {
  if (balloonMib === undefined) return [];
  return [
    put("/balloon", {
      amount_mib: balloonMib,
      deflate_on_oom: true,
      stats_polling_interval_s: BALLOON_STATS_S,
    }),
  ];
};

const rateLimiter = (
  bytesPerSecond: number | undefined,
  opsPerSecond: number | undefined,
): object | undefined => {
  if (bytesPerSecond === undefined && opsPerSecond === undefined) return undefined;
  return {
    ...(bytesPerSecond !== undefined && { bandwidth: bucket(bytesPerSecond) }),
    ...(opsPerSecond !== undefined && { ops: bucket(opsPerSecond) }),
  };
};

/** Volumes, interfaces, and ours: entropy, vsock, balloon. */
const deviceCount = (machine: Machine): number =>
  drivesOf(machine).length +
  machine.interfaces.length +
  1 +
  (hasVsock(machine) ? 1 : 0) +
  (machine.balloonMib === undefined ? 0 : 1);

const put = (path: string, body: object): VmmRequest => ({ method: "PUT", path, body });
