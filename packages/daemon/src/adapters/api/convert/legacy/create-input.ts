/** A spec of the first API to `CreateInput`: only shapes change here, the rules are the core's. */
import type { legacyTypes } from "@flintlock/api";
import type { CreateInput, InterfaceInput, KernelInput, VolumeInput } from "@flintlock/core";
import type { SplitVolumes } from "./volumes.ts";

export const legacyCreateInput = (
  spec: legacyTypes.MicroVMSpec,
  { root, additional }: SplitVolumes,
): CreateInput => ({
  id: spec.id,
  namespace: spec.namespace,
  labels: spec.labels,
  vcpu: spec.vcpu,
  memoryInMb: spec.memoryInMb,
  kernel: spec.kernel && kernelInput(spec.kernel),
  initrd: spec.initrd && { image: spec.initrd.image, filename: spec.initrd.filename ?? "" },
  rootVolume: root && rootInput(root),
  additionalVolumes: additional.map(volumeInput),
  interfaces: spec.interfaces.map(interfaceInput),
  metadata: spec.metadata,
  provider: "",
  allowGuestAgent: false,
  // COMPAT: nothing was added to it then
  keepsMetadata: true,
  // Names were the key there
  needsUniqueName: true,
  extension: undefined,
});

/** COMPAT: nothing was added to a command line then, so it is passed on whole. */
const kernelInput = (kernel: legacyTypes.Kernel): KernelInput => ({
  image: kernel.image,
  filename: kernel.filename ?? "",
  cmdline: {},
  wholeCmdline: kernel.cmdline,
  addNetworkConfig: kernel.addNetworkConfig,
});

/** COMPAT: a mount point was required then, and the root's is "/": today that goes without saying. */
const rootInput = (volume: legacyTypes.Volume): VolumeInput => {
  const input = volumeInput(volume);
  return input.mountPoint === ROOT_MOUNT_POINT ? { ...input, mountPoint: undefined } : input;
};

export const ROOT_MOUNT_POINT = "/";

const volumeInput = (volume: legacyTypes.Volume): VolumeInput => ({
  id: volume.id,
  isReadOnly: volume.isReadOnly,
  mountPoint: volume.mountPoint === "" ? undefined : volume.mountPoint,
  containerSource: volume.source?.containerSource,
  virtiofsSource: undefined,
  partitionId: volume.partitionId,
  sizeInMb: volume.sizeInMb,
});

const interfaceInput = (iface: legacyTypes.NetworkInterface): InterfaceInput => ({
  deviceId: iface.guestDeviceName,
  type: iface.type,
  guestMac: iface.guestMac,
  // Empty meant DHCP, as absent does
  address: iface.address ? { address: iface.address, gateway: undefined, nameservers: [] } : undefined,
  bridgeName: undefined,
  isForMetadata: iface.allowMetadataReq,
});
