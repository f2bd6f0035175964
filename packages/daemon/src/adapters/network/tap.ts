/** TAP: a VMM's end of a cable whose other end is a port of a bridge (kernel: Documentation/networking/tuntap.rst). */
import { deriveMac, FlintlockError, type HostUser, type Uid } from "@flintlock/core";
import type { IpCommand, IpLinks, Link } from "./ip-links.ts";

export interface Tap {
  readonly name: string;
  /** Tells an operator whose it is */
  readonly alias: string;
  readonly mac: string;
  readonly mtu: number;
  /** Undefined = it is on no bridge */
  readonly bridge: string | undefined;
  readonly user: HostUser | undefined;
}

/**
 * MAC of the host's end, which is not the guest's. A bridge takes over the lowest MAC of its ports: with `fe` in front
 * it keeps its own when guests come and go, and its neighbours need not learn it anew.
 */
export const hostMac = (owner: Uid, deviceId: string): string => `fe${deriveMac(owner, deviceId).slice(2)}`;

/**
 * Makes the device exist, persistent, up, and a port of its bridge or of none, from `link`, which is there already; returns
 * what there is then. A whole one is left as it is.
 */
export const makeTap = async (
  links: IpLinks,
  link: Link | undefined,
  tap: Tap,
  requirePrivilege: () => Promise<void>,
  signal: AbortSignal,
): Promise<Link> => {
  const { name, alias, mac, mtu, bridge } = tap;
  if (link !== undefined && !isTap(link)) {
    throw new FlintlockError("failed_precondition", `${name} exists and is not a TAP device`);
  }
  if (link?.isUp === true && link.master === bridge && link.mtu === mtu && link.mac === mac) return link;
  await requirePrivilege();
  const port = bridge === undefined ? ["nomaster"] : ["master", bridge];
  const commands: readonly IpCommand[] = [
    ...(link === undefined ? [tuntapAdd(tap)] : []),
    // The host itself takes no part on this link: it needs no address of its own, IPv6's automatic one included.
    ["link", "set", "dev", name, "addrgenmode", "none"],
    ["link", "set", "dev", name, "alias", alias],
    ["link", "set", "dev", name, "address", mac, "mtu", String(mtu), ...port, "up"],
  ];
  return await links.make(name, commands, signal);
};

/** A TUN device, which carries no Ethernet, is of the same kind. */
export const isTap = ({ kind, mode }: Link): boolean => kind === "tun" && mode === "tap";

const tuntapAdd = ({ name, user }: Tap): IpCommand => [
  "tuntap",
  "add",
  "dev",
  name,
  "mode",
  "tap",
  ...ownerArgs(user),
];

const ownerArgs = (user: HostUser | undefined): readonly string[] =>
  user === undefined
    ? ["user", String(process.geteuid?.() ?? 0)]
    : ["user", String(user.uid), "group", String(user.gid)];
