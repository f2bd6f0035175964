/** What a provider's users find in a spec that they did not write: instance ids, network configuration, `eth0`. */
import { invalidField } from "../domain/errors.ts";
import type { MicroVMSpec, NetworkInterface } from "../domain/microvm.ts";
import { MICROVM_FIELDS } from "../domain/microvm-fields.ts";
import type { MacAddress, Uid } from "../domain/units.ts";
import type { CloudInit } from "../ports/cloud-init.ts";
import type { Provider } from "../ports/provider.ts";
import { ethernetsOf, hasSeedKey } from "../reconcile/seed.ts";

/** COMPAT: v1alpha1's records always have `meta-data`; ours only where somebody gave cloud-init something. */
export const withInstanceId = (
  spec: MicroVMSpec,
  uid: Uid,
  { cloudInit, isWire }: { readonly cloudInit: CloudInit; readonly isWire: boolean },
): MicroVMSpec => {
  const { metadata } = spec;
  if (!isWire && !hasSeedKey(metadata)) return spec;
  return {
    ...spec,
    metadata: { ...metadata, "meta-data": cloudInit.withInstanceId(metadata["meta-data"], uid) },
  };
};

/** @throws FlintlockError `invalid_spec` – the network's configuration is asked for and has no room where it goes */
export const checkNetworkConfig = (spec: MicroVMSpec, uid: Uid, cloudInit: CloudInit): void => {
  if (!spec.kernel.addNetworkConfig) return;
  const longest = Object.fromEntries(spec.interfaces.map(({ deviceId }) => [deviceId, MAX_MTU]));
  refuseTooLong(cloudInit.networkConfig(ethernetsOf(uid, spec, longest)));
};

/** What a bridge or parent has is known when the host's end is made. */
const MAX_MTU = 65_535;

/** It goes on the kernel's command line, where there is little room. */
const refuseTooLong = (network: string): void => {
  const { maxTotal } = MICROVM_FIELDS["kernel.cmdline"];
  if (network.length <= maxTotal) return;
  throw invalidField(
    "kernel.add_network_config",
    `the configuration of these interfaces takes ${network.length} characters of the kernel's command line; at most ${maxTotal} are possible`,
  );
};

/** The guest's way to the metadata service: upstream's numbers, which its images know. */
const METADATA_INTERFACE: NetworkInterface = {
  deviceId: "eth0",
  type: "tap",
  guestMac: "aa:ff:00:00:00:01" as MacAddress,
  address: { address: "169.254.0.1/16", gateway: undefined, nameservers: [] },
  bridge: undefined,
  isForMetadata: true,
  isUserMode: false,
};

/** `eth0` comes first where the provider has a metadata service and the caller has no `eth0`. */
export const withMetadataInterface = (spec: MicroVMSpec, { traits }: Provider): MicroVMSpec => {
  const hasOwn = spec.interfaces.some(({ deviceId }) => deviceId === METADATA_INTERFACE.deviceId);
  if (hasOwn || !traits.capabilities.has("metadata-service")) return spec;
  return { ...spec, interfaces: [METADATA_INTERFACE, ...spec.interfaces] };
};
