/** MACVTAP: a guest's own MAC address on a link of the host, without a bridge (kernel: drivers/net/macvtap.c). */
import { deriveMac, FlintlockError, type NetworkInterface, type Uid } from "@flintlock/core";
import type { IpLinks, Link } from "./ip-links.ts";

interface Macvtap {
  readonly name: string;
  /** Tells an operator whose it is */
  readonly alias: string;
  readonly owner: Uid;
  readonly iface: NetworkInterface;
  readonly parent: string | undefined;
}

/**
 * Makes the device exist: mode "bridge", the guest's MAC, the parent's MTU, up. Two guests of one parent reach each other;
 * the host itself they do not, which is how the kernel's macvlan is.
 */
export const makeMacvtap = async (
  links: IpLinks,
  { name, alias, owner, iface, parent }: Macvtap,
  requirePrivilege: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> => {
  const { mtu } = await parentLink(links, iface, parent, signal);
  const mac = iface.guestMac ?? deriveMac(owner, iface.deviceId);
  const link = await links.show(name, signal);
  if (link !== undefined && link.kind !== "macvtap") {
    throw new FlintlockError("failed_precondition", `${name} exists and is not a MACVTAP device`);
  }
  if (link?.isUp === true && link.mac === mac && link.mtu === mtu) return;
  await requirePrivilege();
  if (link === undefined) {
    const kind = ["type", "macvtap", "mode", "bridge"];
    await links.run(["link", "add", "link", parent ?? "", "name", name, "address", mac, ...kind], signal);
  }
  // The host itself takes no part on this link: it needs no address of its own, IPv6's automatic one included.
  await links.run(["link", "set", "dev", name, "addrgenmode", "none"], signal);
  await links.run(["link", "set", "dev", name, "alias", alias], signal);
  await links.run(["link", "set", "dev", name, "address", mac, "mtu", String(mtu), "up"], signal);
};

const parentLink = async (
  links: IpLinks,
  iface: NetworkInterface,
  parent: string | undefined,
  signal: AbortSignal,
): Promise<Link> => {
  if (parent === undefined) {
    throw new FlintlockError(
      "failed_precondition",
      `interface ${iface.deviceId}: a parent network device name is required for macvtap interfaces`,
      { hint: "Start the daemon with --parent-iface." },
    );
  }
  const link = await links.show(parent, signal);
  if (link !== undefined) return link;
  throw new FlintlockError(
    "failed_precondition",
    `interface ${iface.deviceId}: the parent ${parent} does not exist`,
    {
      hint: "`ip link` lists the interfaces of this host.",
    },
  );
};
