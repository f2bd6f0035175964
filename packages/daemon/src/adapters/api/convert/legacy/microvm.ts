/**
 * `MicroVM` to the first API's messages. What they cannot say is left out: uid, provider, gateway, name servers, bridge,
 * virtiofs. What its server always sent is always sent (`filename`, `partition_id`, `size_in_mb`, `guest_mac`).
 */
import { create } from "@bufbuild/protobuf";
import { legacyTypes } from "@flintlock/api";
import {
  cmdlineText,
  type InterfaceStatus,
  type Kernel,
  type MicroVM,
  type MicroVMState,
  type Mount,
  type NetworkInterface,
  type Volume,
} from "@flintlock/core";
import { timestamp } from "../microvm.ts";
import { ROOT_MOUNT_POINT } from "./create-input.ts";

export const legacyMicroVM = (vm: MicroVM): legacyTypes.MicroVM =>
  create(legacyTypes.MicroVMSchema, {
    version: vm.version,
    spec: legacySpec(vm),
    status: legacyStatus(vm),
  });

export const legacySpec = (vm: MicroVM): legacyTypes.MicroVMSpec => {
  const { spec } = vm;
  const root = spec.rootVolume === undefined ? [] : [legacyRoot(spec.rootVolume)];
  return create(legacyTypes.MicroVMSpecSchema, {
    id: vm.id,
    namespace: vm.namespace,
    labels: { ...spec.labels },
    vcpu: spec.vcpu,
    memoryInMb: spec.memoryMib,
    kernel: legacyKernel(spec.kernel),
    initrd: spec.initrd && { image: spec.initrd.image, filename: spec.initrd.filename },
    volumes: [...root, ...spec.additionalVolumes.map(legacyVolume)],
    interfaces: spec.interfaces.map(legacyInterface),
    metadata: { ...spec.metadata },
    createdAt: timestamp(vm.createdAt),
    updatedAt: timestamp(vm.updatedAt),
    deletedAt: vm.deletedAt === undefined ? undefined : timestamp(vm.deletedAt),
  });
};

const legacyKernel = (kernel: Kernel): legacyTypes.Kernel =>
  create(legacyTypes.KernelSchema, {
    image: kernel.image,
    cmdline: kernel.wholeCmdline ?? cmdlineText(kernel.cmdline),
    filename: kernel.filename,
    addNetworkConfig: kernel.addNetworkConfig,
  });

const legacyRoot = (volume: Volume): legacyTypes.Volume =>
  create(legacyTypes.VolumeSchema, {
    ...legacyVolume(volume),
    isRoot: true,
    mountPoint: volume.mountPoint ?? ROOT_MOUNT_POINT,
  });

const legacyVolume = (volume: Volume): legacyTypes.Volume =>
  create(legacyTypes.VolumeSchema, {
    id: volume.id,
    isReadOnly: volume.isReadOnly,
    mountPoint: volume.mountPoint ?? "",
    source: volume.source.kind === "image" ? { containerSource: volume.source.image } : {},
    partitionId: volume.partitionId ?? "",
    sizeInMb: volume.grownToMib ?? volume.sizeMib ?? 0,
  });

const { TAP, MACVTAP } = legacyTypes.NetworkInterface_IfaceType;

const legacyInterface = (iface: NetworkInterface): legacyTypes.NetworkInterface =>
  create(legacyTypes.NetworkInterfaceSchema, {
    guestDeviceName: iface.deviceId,
    type: iface.type === "tap" ? TAP : MACVTAP,
    allowMetadataReq: iface.isForMetadata ?? false,
    guestMac: iface.guestMac ?? "",
    address: iface.address?.address,
  });

/** COMPAT: three states. One on its way out is none that a client should use, and `deleted_at` says why. */
const STATES = {
  pending: legacyTypes.MicroVMStatus_MicroVMState.PENDING,
  paused: legacyTypes.MicroVMStatus_MicroVMState.PENDING,
  stopped: legacyTypes.MicroVMStatus_MicroVMState.PENDING,
  exited: legacyTypes.MicroVMStatus_MicroVMState.PENDING,
  created: legacyTypes.MicroVMStatus_MicroVMState.CREATED,
  failed: legacyTypes.MicroVMStatus_MicroVMState.FAILED,
  deleting: legacyTypes.MicroVMStatus_MicroVMState.PENDING,
} as const satisfies Record<MicroVMState, legacyTypes.MicroVMStatus_MicroVMState>;

const legacyStatus = ({ status }: MicroVM): legacyTypes.MicroVMStatus =>
  create(legacyTypes.MicroVMStatusSchema, {
    state: STATES[status.state],
    volumes: mapValues(status.volumes, (mount) =>
      create(legacyTypes.VolumeStatusSchema, { mount: legacyMount(mount) }),
    ),
    kernelMount: status.kernelMount && legacyMount(status.kernelMount),
    initrdMount: status.initrdMount && legacyMount(status.initrdMount),
    networkInterfaces: mapValues(status.networkInterfaces, legacyInterfaceStatus),
    retry: status.retry,
  });

const { DEV, HOSTPATH } = legacyTypes.Mount_MountType;

const legacyMount = (mount: Mount): legacyTypes.Mount =>
  create(legacyTypes.MountSchema, { type: mount.type === "dev" ? DEV : HOSTPATH, source: mount.source });

const legacyInterfaceStatus = (status: InterfaceStatus): legacyTypes.NetworkInterfaceStatus =>
  create(legacyTypes.NetworkInterfaceStatusSchema, {
    hostDeviceName: status.hostDeviceName,
    index: status.index,
    macAddress: status.macAddress,
  });

const mapValues = <T, U>(record: Readonly<Record<string, T>>, convert: (value: T) => U): Record<string, U> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, convert(value)]));
