/** Which link an interface of a spec gets. */
import { FlintlockError } from "../domain/errors.ts";
import type { NetworkInterface } from "../domain/microvm.ts";
import type { NetworkManager } from "../ports/network-manager.ts";
import type { ProviderTraits } from "../ports/provider.ts";

/**
 * An interface that no bridge or parent of this daemon serves gets the user-mode network, where the provider has one: a
 * client of upstream always sends an interface, and a host without a network set up shall still run its VMs.
 * COMPAT: the words of the refusals are upstream's.
 */
export const withLink = (
  iface: NetworkInterface,
  index: number,
  network: Pick<NetworkManager, "serves">,
  { capabilities }: ProviderTraits,
): NetworkInterface => {
  if (iface.isForMetadata === true && iface.type === "tap")
    return withMetadataLink(iface, index, capabilities);
  if (network.serves(iface)) return iface;
  const field = `interfaces[${index}].${iface.address === undefined ? "type" : "address"}`;
  const hasUserNetwork = capabilities.has("user-network");
  if (iface.address === undefined && hasUserNetwork) return { ...iface, isUserMode: true };
  // No parent would help: the refusal for what the provider lacks follows.
  if (iface.type === "macvtap" && !capabilities.has("macvtap")) return iface;
  const what = iface.type === "macvtap" ? "macvtap interfaces" : "attaching a TAP interface";
  const option = iface.type === "macvtap" ? "--parent-iface" : "--bridge-name";
  const otherwise = hasUserNetwork ? ", or leave out the address for the user-mode network" : "";
  throw new FlintlockError(
    "failed_precondition",
    `${field}: a parent network device name is required for ${what}`,
    { detail: { field }, hint: `start the daemon with ${option}${otherwise}` },
  );
};

/**
 * Where there is no metadata service the interface is there, leads nowhere, and takes its place among the guest's: what
 * it was to carry comes on a disk. It is never on a bridge, as all of them have one address.
 */
const withMetadataLink = (
  iface: NetworkInterface,
  index: number,
  capabilities: ProviderTraits["capabilities"],
): NetworkInterface => {
  if (capabilities.has("metadata-service")) return iface;
  if (capabilities.has("user-network")) return { ...iface, isUserMode: true };
  const field = `interfaces[${index}]`;
  throw new FlintlockError(
    "failed_precondition",
    `${field}: metadata requests not supported by the microvm provider`,
    {
      detail: { field },
    },
  );
};
