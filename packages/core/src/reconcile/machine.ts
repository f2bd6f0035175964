/** From a record and prepared parts to what a VMM is given. Pure. */
import type { GuestConfig, GuestInterface, GuestMount, GuestProcess } from "../domain/guest-config.ts";
import { filesystemTag, guestDevice, macOf } from "../domain/guest-devices.ts";
import type { ImageConfig } from "../domain/image.ts";
import { settingsOf } from "../domain/machine-settings.ts";
import type { MicroVM, MicroVMSpec, NetworkInterface } from "../domain/microvm.ts";
import { deriveMac } from "../domain/names.ts";
import { hasUserInterface } from "../domain/spec-parts.ts";
import type {
  HostDevice,
  Machine,
  MachineDisk,
  MachineFilesystem,
  MachineInterface,
} from "../ports/provider.ts";
import type { Disk } from "../ports/volume-store.ts";

export interface MachineParts {
  readonly directory: string;
  readonly kernelPath: string;
  readonly initrdPath: string | undefined;
  /** True when the initrd is ours and reads a `GuestConfig` */
  readonly isOurInitrd: boolean;
  /** In the order of `volumesOf` */
  readonly disks: readonly MachineDisk[];
  readonly seed: Disk | undefined;
  /** Base64; undefined when nobody asked for it on the command line */
  readonly networkConfig: string | undefined;
  /** Of a provider with a metadata service */
  readonly metadata: Readonly<Record<string, string>> | undefined;
  /** By device id */
  readonly hostDevices: Readonly<Record<string, HostDevice>>;
  /** Of the root volume */
  readonly rootConfig: ImageConfig | undefined;
}

/** QEMU's user-mode network, and every slirp's: the guest is .15, the host .2, its resolver .3. */
const USER_NETWORK = { address: "10.0.2.15/24", gateway: "10.0.2.2", nameserver: "10.0.2.3" } as const;
/** The interface that a microVM has when its spec names none */
export const USER_DEVICE = "eth0";
const DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export const machineOf = (vm: MicroVM, parts: MachineParts): Machine => ({
  uid: vm.uid,
  label: `${vm.namespace}/${vm.id}`,
  directory: parts.directory,
  ...settingsOf(vm.spec),
  kernelPath: parts.kernelPath,
  initrdPath: parts.initrdPath,
  cmdline: {
    ...(parts.networkConfig !== undefined && { "network-config": parts.networkConfig }),
    ...vm.spec.kernel.cmdline,
  },
  wholeCmdline: vm.spec.kernel.wholeCmdline,
  cpuFeatures: vm.spec.cpuConfig?.featuresToEnable ?? [],
  disabledKvmCapabilities: vm.spec.cpuConfig?.kvmCapabilitiesToDisable ?? [],
  disks: parts.disks,
  filesystems: filesystemsOf(vm.spec),
  seed: parts.seed,
  metadata: parts.metadata,
  hasAgentSocket: vm.spec.allowGuestAgent,
  interfaces: machineInterfaces(vm, parts),
  guest: parts.isOurInitrd ? guestConfig(vm, parts) : undefined,
});

const machineInterfaces = (vm: MicroVM, parts: MachineParts): readonly MachineInterface[] => {
  if (hasUserInterface(vm.spec)) {
    return [{ deviceId: USER_DEVICE, mac: deriveMac(vm.uid, USER_DEVICE), hostDevice: undefined }];
  }
  return vm.spec.interfaces.map((iface) => ({
    deviceId: iface.deviceId,
    mac: macOf(vm.uid, iface),
    hostDevice: parts.hostDevices[iface.deviceId],
    ...(iface.isForMetadata === true && { isForMetadata: true }),
  }));
};

const filesystemsOf = (spec: MicroVMSpec): readonly MachineFilesystem[] =>
  spec.additionalVolumes.flatMap((volume) => {
    const { id: volumeId, source, isReadOnly } = volume;
    if (source.kind !== "virtiofs") return [];
    return [{ volumeId, tag: filesystemTag(spec, volume), hostPath: source.hostPath, isReadOnly }];
  });

const guestConfig = (vm: MicroVM, parts: MachineParts): GuestConfig => {
  const isUserNetwork = hasUserInterface(vm.spec);
  const nameservers = vm.spec.interfaces.flatMap((iface) => iface.address?.nameservers ?? []);
  return {
    version: 1,
    hostname: hostnameOf(vm.id),
    root: {
      device: rootDevice(vm),
      fsType: vm.spec.kernel.cmdline["rootfstype"] ?? "ext4",
      isReadOnly: vm.spec.rootVolume?.isReadOnly ?? false,
    },
    mounts: guestMounts(vm.spec),
    interfaces: isUserNetwork
      ? [userInterface(vm)]
      : vm.spec.interfaces.map((iface) => guestInterface(vm, iface, parts.hostDevices[iface.deviceId])),
    nameservers: isUserNetwork ? [USER_NETWORK.nameserver] : nameservers,
    isNetworkByCloudInit: isNetworkByCloudInit(vm.spec, parts),
    boot: {
      prefer: vm.spec.boot === "init-first" ? "init" : "process",
      init: vm.spec.kernel.cmdline["init"] ?? "/sbin/init",
      process: guestProcess(vm, parts.rootConfig),
    },
  };
};

const rootDevice = (vm: MicroVM): string => {
  const asked = vm.spec.kernel.cmdline["root"];
  if (asked !== undefined && asked !== "") return asked;
  const root = vm.spec.rootVolume;
  return `/dev/${(root && guestDevice(vm.spec, root)) ?? "vda"}`;
};

/** Only volumes with a mount point are mounted. */
const guestMounts = (spec: MicroVMSpec): readonly GuestMount[] =>
  spec.additionalVolumes.flatMap((volume) => {
    const { mountPoint: path, isReadOnly } = volume;
    if (path === undefined) return [];
    if (volume.source.kind === "virtiofs") {
      return [{ device: filesystemTag(spec, volume), path, fsType: "virtiofs", isReadOnly }];
    }
    const device = guestDevice(spec, volume);
    return device === undefined ? [] : [{ device: `/dev/${device}`, path, fsType: "ext4", isReadOnly }];
  });

const userInterface = (vm: MicroVM): GuestInterface => ({
  mac: deriveMac(vm.uid, USER_DEVICE),
  name: USER_DEVICE,
  addresses: [USER_NETWORK.address],
  gateway: USER_NETWORK.gateway,
});

/** Told nothing, it would ask DHCP, and an address of the spec would be lost. */
const isNetworkByCloudInit = (spec: MicroVMSpec, parts: MachineParts): boolean => {
  const isTold = [parts.seed, parts.networkConfig, parts.metadata].some((each) => each !== undefined);
  return isTold || spec.interfaces.every(({ address }) => address === undefined);
};

const guestInterface = (
  vm: MicroVM,
  iface: NetworkInterface,
  device: HostDevice | undefined,
): GuestInterface => ({
  mac: macOf(vm.uid, iface),
  name: iface.deviceId,
  addresses: iface.address === undefined ? [] : [iface.address.address],
  gateway: iface.address?.gateway,
  mtu: device?.mtu,
});

/**
 * Image configuration and override, merged as docker does: a new entrypoint drops the image's command.
 * Undefined when nothing is left to run.
 */
export const guestProcess = (vm: MicroVM, image: ImageConfig | undefined): GuestProcess | undefined => {
  const override = vm.spec.process;
  const entrypoint = override.entrypoint ?? image?.entrypoint ?? [];
  const imageCommand = override.entrypoint === undefined ? (image?.cmd ?? []) : [];
  const args = [...entrypoint, ...(override.command ?? imageCommand)];
  if (args.length === 0) return undefined;
  return {
    args,
    env: mergeEnv(
      [DEFAULT_PATH],
      image?.env ?? [],
      Object.entries(override.env).map(([k, v]) => `${k}=${v}`),
    ),
    cwd: override.cwd ?? (image?.workingDir || "/"),
    user: override.user ?? image?.user ?? "",
    tty: override.tty,
    attach: override.attach,
  };
};

/** Later lists win by key. */
const mergeEnv = (...lists: readonly (readonly string[])[]): readonly string[] => {
  const byKey = new Map<string, string>();
  for (const entry of lists.flat()) {
    const [key = ""] = entry.split("=", 1);
    byKey.set(key, entry);
  }
  return [...byKey.values()];
};

/** A name may hold what a host name may not (RFC 1123): those characters become dashes. */
const hostnameOf = (id: string): string => id.replaceAll(/[^A-Za-z0-9.-]/g, "-").slice(0, 63);
