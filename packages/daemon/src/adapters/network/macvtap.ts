/** MACVTAP: a guest's own MAC address on a link of the host, without a bridge (kernel: drivers/net/macvtap.c). */
import { FlintlockError } from "@flintlock/core";
import type { IpCommand, IpLinks, Link } from "./ip-links.ts";

export interface Macvtap {
  readonly name: string;
  /** Tells an operator whose it is */
  readonly alias: string;
  readonly index: number;
  /** The guest's: others would not reach it */
  readonly mac: string;
  readonly parent: Link;
}

/**
 * Makes the device exist, from `link`, which is there already: mode "bridge", the guest's MAC, the parent's MTU, up. Returns
 * what there is then. Two guests of one parent reach each other; the host itself they do not, which is how the kernel's
 * macvlan is.
 */
export const makeMacvtap = async (
  links: IpLinks,
  link: Link | undefined,
  { name, alias, index, mac, parent }: Macvtap,
  requirePrivilege: () => Promise<void>,
  signal: AbortSignal,
): Promise<Link> => {
  if (link !== undefined && !isMacvtap(link)) {
    throw new FlintlockError("failed_precondition", `${name} exists and is not a MACVTAP device`);
  }
  if (link !== undefined && isWhole(link, mac, parent)) return link;
  await requirePrivilege();
  // The kernel does not move one to another parent.
  const isElsewhere = link !== undefined && link.parent !== parent.name;
  const made = ["link", parent.name, "name", name, "index", String(index), "address", mac];
  const commands: readonly IpCommand[] = [
    ...(isElsewhere ? [["link", "delete", "dev", name] as const] : []),
    ...(isElsewhere || link === undefined
      ? [["link", "add", ...made, "type", "macvtap", "mode", "bridge"] as const]
      : []),
    // The host itself takes no part on this link: it needs no address of its own, IPv6's automatic one included.
    ["link", "set", "dev", name, "addrgenmode", "none"],
    ["link", "set", "dev", name, "alias", alias],
    // Which multicasts the guest wants the kernel does not know, and IPv6 finds its neighbours by multicast.
    ["link", "set", "dev", name, "address", mac, "mtu", String(parent.mtu), "allmulticast", "on", "up"],
  ];
  return await links.make(name, commands, signal);
};

const isWhole = (link: Link, mac: string, parent: Link): boolean =>
  link.isUp &&
  link.isAllMulticast &&
  link.mac === mac &&
  link.mtu === parent.mtu &&
  link.parent === parent.name;

export const isMacvtap = ({ kind }: Link): boolean => kind === "macvtap";
