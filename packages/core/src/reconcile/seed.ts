/** What cloud-init in the guest is told, and by which way. */
import { guestDevice, macOf } from "../domain/guest-devices.ts";
import type { InterfaceStatus, MicroVM, MicroVMSpec } from "../domain/microvm.ts";
import { deriveMac } from "../domain/names.ts";
import type { Uid } from "../domain/units.ts";
import type { CloudInit, Ethernet, SeedMount } from "../ports/cloud-init.ts";
import { USER_DEVICE } from "./machine.ts";

/** All that goes on a seed disk: other metadata keys are for a metadata service. */
export const SEED_KEYS = ["meta-data", "user-data", "vendor-data", "network-config"] as const;

/** cloud-init's NoCloud ignores a disk without these (sources/DataSourceNoCloud.py) */
const NEEDED = { "meta-data": "", "user-data": "" } as const;

export const hasSeedKey = (metadata: Readonly<Record<string, string>>): boolean =>
  SEED_KEYS.some((key) => metadata[key] !== undefined);

export interface SeedFacts {
  /** Our init mounts the volumes */
  readonly mountsItself: boolean;
  readonly ethernets: readonly Ethernet[];
}

/** Files of the seed disk; undefined when there is nothing to tell. */
export const seedFiles = (
  vm: MicroVM,
  cloudInit: CloudInit,
  { mountsItself, ethernets }: SeedFacts,
): Readonly<Record<string, string>> | undefined => {
  const { metadata, kernel } = vm.spec;
  const files: Record<string, string> = {};
  for (const key of SEED_KEYS) {
    const text = metadata[key];
    if (text !== undefined) files[key] = text;
  }
  // COMPAT: the generated one replaces the caller's, as upstream's does.
  if (kernel.addNetworkConfig && hasSeedKey(metadata)) {
    files["network-config"] = cloudInit.networkConfig(ethernets);
  }
  const mounts = mountsItself ? [] : seedMounts(vm.spec);
  if (mounts.length > 0) files["vendor-data"] = cloudInit.withMounts(metadata["vendor-data"], mounts);
  const keys = Object.keys(files);
  if (keys.length === 0) return undefined;
  // What every v1alpha1 record holds, without anybody having asked for it.
  const isOnlyOurs = keys.length === 1 && files["meta-data"] === cloudInit.withInstanceId(undefined, vm.uid);
  if (isOnlyOurs) return undefined;
  // Told anything, cloud-init sets up the network: left to itself by DHCP, and an address of the spec would be lost.
  if (vm.spec.interfaces.some(({ address }) => address !== undefined)) {
    files["network-config"] ??= cloudInit.networkConfig(ethernets);
  }
  return { ...NEEDED, ...files };
};

const seedMounts = (spec: MicroVMSpec): readonly SeedMount[] =>
  spec.additionalVolumes.flatMap((volume) => {
    const device = guestDevice(spec, volume);
    if (device === undefined || volume.mountPoint === undefined) return [];
    return [{ device, path: volume.mountPoint, isReadOnly: volume.isReadOnly }];
  });

/** By device id, in bytes; absent = the usual one. */
export type Mtus = Readonly<Record<string, number | undefined>>;

export const mtusOf = (interfaces: Readonly<Record<string, InterfaceStatus>>): Mtus =>
  Object.fromEntries(Object.entries(interfaces).map(([deviceId, { mtu }]) => [deviceId, mtu]));

/** The guest's interfaces as network configuration tells them; the user-mode network's has DHCP. */
export const ethernetsOf = (uid: Uid, spec: MicroVMSpec, mtus: Mtus): readonly Ethernet[] => {
  if (spec.interfaces.length === 0) {
    const mac = deriveMac(uid, USER_DEVICE);
    const automatic = { address: undefined, gateway: undefined, nameservers: [], mtu: undefined };
    return [{ deviceId: USER_DEVICE, mac, ...automatic }];
  }
  return spec.interfaces.map((iface) => ({
    deviceId: iface.deviceId,
    mac: macOf(uid, iface),
    address: iface.address?.address,
    gateway: iface.address?.gateway,
    nameservers: iface.address?.nameservers ?? [],
    mtu: mtus[iface.deviceId],
  }));
};
