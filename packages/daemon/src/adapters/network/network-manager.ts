/**
 * Host ends of guest interfaces: a persistent TAP device on a bridge, or a MACVTAP device on a parent, one per interface.
 * Its name is derived (names.ts), so a half-made device is found and completed, and none is leaked.
 */
import { readFile } from "node:fs/promises";
import {
  FlintlockError,
  type InterfaceStatus,
  type LinkOwner,
  macOf,
  type NetworkInterface,
  type NetworkManager,
} from "@flintlock/core";
import { createIpLinks, type IpLinks, type Link, PRIVILEGE_HINT } from "./ip-links.ts";
import { isMacvtap, makeMacvtap } from "./macvtap.ts";
import { hostDeviceIndex, hostDeviceName, type LinkType } from "./names.ts";
import { hostMac, isTap, makeTap } from "./tap.ts";
import { bridgeFor, bridgeLink, parentLink, type Uplinks } from "./uplinks.ts";

/** Bit of CAP_NET_ADMIN (linux/capability.h) */
const CAP_NET_ADMIN = 12n;
const NEVER = new AbortController().signal;
const LINK_TYPES = ["tap", "macvtap"] as const satisfies readonly LinkType[];
/** Ethernet's own, for a link that leads to nothing whose MTU it could take */
const DEFAULT_MTU = 1500;

export interface NetworkOptions extends Uplinks {
  /** The `ip` program, with its first arguments; left out: `ip`, in our own namespace */
  readonly ip?: readonly [string, ...string[]];
}

export const createNetworkManager = (options: NetworkOptions): NetworkManager => {
  const links = createIpLinks(options.ip);
  return {
    serves(iface) {
      if (isUnattached(iface)) return true;
      return (iface.type === "macvtap" ? options.parent : bridgeFor(iface, options)) !== undefined;
    },
    async ensure(owner, iface, signal) {
      const name = hostDeviceName(owner.uid, iface.deviceId, iface.type);
      return status(await make(links, name, owner, iface, options, signal));
    },
    async remove(owner, deviceId, signal) {
      for (const type of LINK_TYPES) {
        const name = hostDeviceName(owner, deviceId, type);
        const link = await links.show(name, signal);
        if (link === undefined || !isOfType(link, type)) continue;
        await requirePrivilege();
        await links.run([["link", "delete", "dev", name]], signal);
      }
    },
    async observe(owner, interfaces) {
      const whole = new Set<string>();
      for (const iface of interfaces) {
        const { deviceId, type } = iface;
        const link = await links.show(hostDeviceName(owner, deviceId, type), NEVER);
        if (link !== undefined && isOfType(link, type) && isWhole(link, iface)) whole.add(deviceId);
      }
      return whole;
    },
  };
};

const make = async (
  links: IpLinks,
  name: string,
  { uid, user }: LinkOwner,
  iface: NetworkInterface,
  uplinks: Uplinks,
  signal: AbortSignal,
): Promise<Link> => {
  const alias = `flintlock ${uid} ${iface.deviceId}`;
  if (iface.type === "macvtap") {
    const [link, parent] = await Promise.all([
      links.show(name, signal),
      parentLink(links, iface, uplinks, signal),
    ]);
    const index = hostDeviceIndex(uid, iface.deviceId);
    const macvtap = { name, alias, index, mac: macOf(uid, iface), parent };
    return await makeMacvtap(links, link, macvtap, requirePrivilege, signal);
  }
  const [link, bridge] = await Promise.all([
    links.show(name, signal),
    isUnattached(iface) ? undefined : bridgeLink(links, iface, uplinks, signal),
  ]);
  const mac = hostMac(uid, iface.deviceId);
  const tap = { name, alias, mac, mtu: bridge?.mtu ?? DEFAULT_MTU, bridge: bridge?.name, user };
  return await makeTap(links, link, tap, requirePrivilege, signal);
};

/** All metadata interfaces have one address: they must never meet. */
const isUnattached = ({ type, isForMetadata }: NetworkInterface): boolean =>
  type === "tap" && isForMetadata === true;

const isOfType = (link: Link, type: LinkType): boolean => (type === "tap" ? isTap(link) : isMacvtap(link));

/** Being up is the last thing that is done to it; `ensure` completes what is not. */
const isWhole = ({ isUp, master }: Link, iface: NetworkInterface): boolean =>
  isUp && (iface.type === "macvtap" || isUnattached(iface) === (master === undefined));

/** COMPAT: upstream's status has the MAC in upper case. */
const status = ({ name, index, mac, mtu }: Link): InterfaceStatus => ({
  hostDeviceName: name,
  index,
  macAddress: mac.toUpperCase(),
  mtu,
});

/** Asked before a change, so that the refusal has a reason and a remedy. */
const requirePrivilege = async (): Promise<void> => {
  const text = await readFile("/proc/self/status", "latin1").catch(() => "");
  const effective = BigInt(`0x${text.match(/^CapEff:\t([0-9a-f]{1,16})$/m)?.[1] ?? "0"}`);
  if (((effective >> CAP_NET_ADMIN) & 1n) === 1n) return;
  throw new FlintlockError(
    "unsupported",
    "network devices need CAP_NET_ADMIN, which the daemon does not have",
    {
      hint: PRIVILEGE_HINT,
    },
  );
};
