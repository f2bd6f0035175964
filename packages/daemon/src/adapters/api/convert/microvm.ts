/**
 * `MicroVM` to `flintlock.types.MicroVM`. All that was asked is echoed, and what upstream always sends is always
 * sent (`kernel.filename`, `partition_id`, `size_in_mb`, `guest_mac`, `source`), empty where there is nothing.
 */
import { create } from "@bufbuild/protobuf";
import { type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { types } from "@flintlock/api";
import type {
  InterfaceStatus,
  MicroVM,
  MicroVMState,
  Mount,
  NetworkInterface,
  Volume,
} from "@flintlock/core";

export const wireMicroVM = (vm: MicroVM): types.MicroVM =>
  create(types.MicroVMSchema, { version: vm.version, spec: wireSpec(vm), status: wireStatus(vm) });

const wireSpec = (vm: MicroVM): types.MicroVMSpec => {
  const { spec } = vm;
  return create(types.MicroVMSpecSchema, {
    id: vm.id,
    namespace: vm.namespace,
    labels: { ...spec.labels },
    vcpu: spec.vcpu,
    memoryInMb: spec.memoryMib,
    kernel: {
      image: spec.kernel.image,
      cmdline: { ...spec.kernel.cmdline },
      filename: spec.kernel.filename,
      addNetworkConfig: spec.kernel.addNetworkConfig,
    },
    initrd: spec.initrd && { image: spec.initrd.image, filename: spec.initrd.filename },
    rootVolume: spec.rootVolume && wireVolume(spec.rootVolume),
    additionalVolumes: spec.additionalVolumes.map(wireVolume),
    interfaces: spec.interfaces.map(wireInterface),
    metadata: { ...spec.metadata },
    createdAt: timestamp(vm.createdAt),
    updatedAt: timestamp(vm.updatedAt),
    deletedAt: vm.deletedAt === undefined ? undefined : timestamp(vm.deletedAt),
    uid: vm.uid,
    provider: spec.provider,
    allowGuestAgent: spec.allowGuestAgent,
    cpuConfig: spec.cpuConfig && {
      featuresToEnable: [...spec.cpuConfig.featuresToEnable],
      kvmCapabilitiesToDisable: [...spec.cpuConfig.kvmCapabilitiesToDisable],
    },
  });
};

const wireVolume = (volume: Volume): types.Volume =>
  create(types.VolumeSchema, {
    id: volume.id,
    isReadOnly: volume.isReadOnly,
    mountPoint: volume.mountPoint,
    source:
      volume.source.kind === "image"
        ? { containerSource: volume.source.image }
        : { virtiofsSource: volume.source.hostPath },
    partitionId: volume.partitionId ?? "",
    sizeInMb: volume.grownToMib ?? volume.sizeMib ?? 0,
  });

const wireInterface = (iface: NetworkInterface): types.NetworkInterface =>
  create(types.NetworkInterfaceSchema, {
    deviceId: iface.deviceId,
    type:
      iface.type === "tap" ? types.NetworkInterface_IfaceType.TAP : types.NetworkInterface_IfaceType.MACVTAP,
    guestMac: iface.guestMac ?? "",
    address: iface.address && {
      address: iface.address.address,
      gateway: iface.address.gateway && gatewayCidr(iface.address.address, iface.address.gateway),
      nameservers: [...iface.address.nameservers],
    },
    overrides: iface.bridge === undefined ? undefined : { bridgeName: iface.bridge },
  });

/** COMPAT: upstream takes a gateway only as CIDR; the address's prefix is the one that is true on that link. */
const gatewayCidr = (address: string, gateway: string): string => {
  const slash = address.indexOf("/");
  return slash === -1 ? gateway : gateway + address.slice(slash);
};

/** Upstream has four states: one whose guest ended, was stopped or stands still is not created, and not failed. */
const STATES = {
  pending: types.MicroVMStatus_MicroVMState.PENDING,
  paused: types.MicroVMStatus_MicroVMState.PENDING,
  stopped: types.MicroVMStatus_MicroVMState.PENDING,
  exited: types.MicroVMStatus_MicroVMState.PENDING,
  created: types.MicroVMStatus_MicroVMState.CREATED,
  failed: types.MicroVMStatus_MicroVMState.FAILED,
  deleting: types.MicroVMStatus_MicroVMState.DELETING,
} as const satisfies Record<MicroVMState, types.MicroVMStatus_MicroVMState>;

const wireStatus = ({ status }: MicroVM): types.MicroVMStatus =>
  create(types.MicroVMStatusSchema, {
    state: STATES[status.state],
    volumes: mapValues(status.volumes, (mount) =>
      create(types.VolumeStatusSchema, { mount: wireMount(mount) }),
    ),
    kernelMount: status.kernelMount && wireMount(status.kernelMount),
    initrdMount: status.initrdMount && wireMount(status.initrdMount),
    networkInterfaces: mapValues(status.networkInterfaces, wireInterfaceStatus),
    retry: status.retry,
    vsockPath: status.vsockPath ?? "",
  });

const wireMount = (mount: Mount): types.Mount =>
  create(types.MountSchema, {
    type: mount.type === "dev" ? types.Mount_MountType.DEV : types.Mount_MountType.HOSTPATH,
    source: mount.source,
  });

const wireInterfaceStatus = (status: InterfaceStatus): types.NetworkInterfaceStatus =>
  create(types.NetworkInterfaceStatusSchema, {
    hostDeviceName: status.hostDeviceName,
    index: status.index,
    macAddress: status.macAddress,
  });

const mapValues = <T, U>(record: Readonly<Record<string, T>>, convert: (value: T) => U): Record<string, U> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, convert(value)]));

const MS_PER_SECOND = 1000;
const NANOS_PER_MS = 1_000_000;

export const timestamp = (ms: number): Timestamp => {
  const seconds = Math.floor(ms / MS_PER_SECOND);
  const nanos = Math.floor((ms - seconds * MS_PER_SECOND) * NANOS_PER_MS);
  return create(TimestampSchema, { seconds: BigInt(seconds), nanos });
};
