/** What a guest's link leads to: a bridge or a parent, of the operator's making and choice. */
import { FlintlockError, type NetworkInterface } from "@flintlock/core";
import type { IpLinks, Link } from "./ip-links.ts";

export interface Uplinks {
  /** The bridge of TAP interfaces that name none */
  readonly bridge: string | undefined;
  /** Other bridges that a microVM may name */
  readonly allowedBridges: readonly string[];
  /** The link that MACVTAP interfaces share */
  readonly parent: string | undefined;
}

/** @throws FlintlockError `permission_denied` – it names one that is not allowed */
export const bridgeFor = (
  iface: NetworkInterface,
  { bridge, allowedBridges }: Uplinks,
): string | undefined => {
  const wanted = iface.bridge ?? bridge;
  if (wanted === undefined || wanted === bridge || allowedBridges.includes(wanted)) return wanted;
  throw new FlintlockError(
    "permission_denied",
    `interface ${iface.deviceId}: the bridge ${wanted} is not allowed`,
    {
      detail: { interface: iface.deviceId, bridge: wanted },
      hint: "The daemon's configuration lists the bridges that microVMs may name.",
    },
  );
};

/** @throws FlintlockError `permission_denied`; `failed_precondition` – there is none, or it is no bridge */
export const bridgeLink = async (
  links: IpLinks,
  iface: NetworkInterface,
  uplinks: Uplinks,
  signal: AbortSignal,
): Promise<Link> => {
  const bridge = bridgeFor(iface, uplinks);
  if (bridge === undefined) {
    throw refused(iface, "the daemon has no bridge", {
      hint: "Start the daemon with --bridge-name, or leave the interfaces out for user-mode networking.",
    });
  }
  const link = await links.show(bridge, signal);
  if (link?.kind === "bridge") return link;
  throw refused(iface, `the bridge ${bridge} ${link === undefined ? "does not exist" : "is not a bridge"}`, {
    hint: `A bridge is made with: ip link add ${bridge} type bridge && ip link set ${bridge} up`,
  });
};

/** @throws FlintlockError `failed_precondition` – there is none, or it is down */
export const parentLink = async (
  links: IpLinks,
  iface: NetworkInterface,
  { parent }: Uplinks,
  signal: AbortSignal,
): Promise<Link> => {
  if (parent === undefined) {
    throw refused(iface, "a parent network device name is required for macvtap interfaces", {
      hint: "Start the daemon with --parent-iface.",
    });
  }
  const link = await links.show(parent, signal);
  if (link === undefined) {
    throw refused(iface, `the parent ${parent} does not exist`, {
      hint: "`ip link` lists the interfaces of this host.",
    });
  }
  // The kernel brings up no MACVTAP device on a parent that is down.
  if (!link.isUp) throw refused(iface, `the parent ${parent} is down`, { hint: `ip link set ${parent} up` });
  return link;
};

const refused = (
  { deviceId }: NetworkInterface,
  why: string,
  { hint }: { readonly hint: string },
): FlintlockError => new FlintlockError("failed_precondition", `interface ${deviceId}: ${why}`, { hint });
