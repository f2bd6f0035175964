/**
 * Host ends of guest interfaces: a persistent TAP device on a bridge, or a MACVTAP device on a parent, one per interface.
 * Its name is derived (names.ts), so a half-made device is found and completed, and none is leaked.
 */
import { readFile } from "node:fs/promises";
import {
  FlintlockError,
  type InterfaceStatus,
  type NetworkInterface,
  type NetworkManager,
} from "@flintlock/core";
import { createIpLinks, type IpLinks, type Link, PRIVILEGE_HINT } from "./ip-links.ts";
import { makeMacvtap } from "./macvtap.ts";
import { hostDeviceName, type LinkType } from "./names.ts";

/** Bit of CAP_NET_ADMIN (linux/capability.h) */
const CAP_NET_ADMIN = 12n;
const NEVER = new AbortController().signal;
const LINK_TYPES = ["tap", "macvtap"] as const satisfies readonly LinkType[];

export interface NetworkOptions {
  /** The bridge of TAP interfaces that name none */
  readonly bridge: string | undefined;
  /** Other bridges that a microVM may name */
  readonly allowedBridges: readonly string[];
  /** The link that MACVTAP interfaces share */
  readonly parent: string | undefined;
  /** The `ip` program, with its first arguments */
  readonly ip?: readonly [string, ...string[]];
}

export const createNetworkManager = (options: NetworkOptions): NetworkManager => {
  const links = createIpLinks(options.ip ?? ["ip"]);
  return {
    serves: (iface) =>
      iface.type === "macvtap" ? options.parent !== undefined : bridgeFor(iface, options) !== undefined,
    async ensure(owner, iface, signal) {
      const name = hostDeviceName(owner, iface.deviceId, iface.type);
      const alias = `flintlock ${owner} ${iface.deviceId}`;
      if (iface.type === "macvtap") {
        await makeMacvtap(
          links,
          { name, alias, owner, iface, parent: options.parent },
          requirePrivilege,
          signal,
        );
      } else {
        const bridge = chooseBridge(iface, options);
        const { mtu } = await bridgeLink(links, bridge, iface, signal);
        await makeTap(links, { name, bridge, mtu, alias }, signal);
      }
      return status(await links.show(name, signal), name);
    },
    async remove(owner, deviceId, signal) {
      for (const type of LINK_TYPES) {
        const name = hostDeviceName(owner, deviceId, type);
        if ((await links.show(name, signal)) === undefined) continue;
        await requirePrivilege();
        await links.run(["link", "delete", "dev", name], signal);
      }
    },
    async observe(owner, deviceIds) {
      const present = new Set<string>();
      for (const deviceId of deviceIds) {
        for (const type of LINK_TYPES) {
          // One that is not up is half-made: `ensure` shall complete it.
          const link = await links.show(hostDeviceName(owner, deviceId, type), NEVER);
          if (link?.isUp === true && (type === "macvtap" || link.master !== undefined)) present.add(deviceId);
        }
      }
      return present;
    },
  };
};

/** @throws FlintlockError `permission_denied` – it names one that is not allowed */
const bridgeFor = (
  iface: NetworkInterface,
  { bridge, allowedBridges }: NetworkOptions,
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

const chooseBridge = (iface: NetworkInterface, options: NetworkOptions): string => {
  const bridge = bridgeFor(iface, options);
  if (bridge !== undefined) return bridge;
  throw new FlintlockError("failed_precondition", `interface ${iface.deviceId}: the daemon has no bridge`, {
    hint: "Start the daemon with --bridge-name, or leave the interfaces out for user-mode networking.",
  });
};

const bridgeLink = async (
  links: IpLinks,
  bridge: string,
  iface: NetworkInterface,
  signal: AbortSignal,
): Promise<Link> => {
  const link = await links.show(bridge, signal);
  if (link?.kind === "bridge") return link;
  const problem = link === undefined ? "does not exist" : "is not a bridge";
  throw new FlintlockError(
    "failed_precondition",
    `interface ${iface.deviceId}: the bridge ${bridge} ${problem}`,
    {
      hint: `A bridge is made with: ip link add ${bridge} type bridge && ip link set ${bridge} up`,
    },
  );
};

interface Tap {
  readonly name: string;
  readonly bridge: string;
  readonly mtu: number;
  /** Tells an operator whose it is */
  readonly alias: string;
}

const makeTap = async (
  links: IpLinks,
  { name, bridge, mtu, alias }: Tap,
  signal: AbortSignal,
): Promise<void> => {
  const link = await links.show(name, signal);
  if (link !== undefined && link.kind !== "tun") {
    throw new FlintlockError("failed_precondition", `${name} exists and is not a TAP device`);
  }
  if (link?.isUp === true && link.master === bridge && link.mtu === mtu) return;
  await requirePrivilege();
  if (link === undefined) {
    const user = String(process.geteuid?.() ?? 0);
    await links.run(["tuntap", "add", "dev", name, "mode", "tap", "user", user], signal);
  }
  // The host itself takes no part on this link: it needs no address of its own, IPv6's automatic one included.
  await links.run(["link", "set", "dev", name, "addrgenmode", "none"], signal);
  await links.run(["link", "set", "dev", name, "alias", alias], signal);
  await links.run(["link", "set", "dev", name, "mtu", String(mtu), "master", bridge, "up"], signal);
};

const status = (link: Link | undefined, name: string): InterfaceStatus => {
  if (link !== undefined) return { hostDeviceName: name, index: link.index, macAddress: link.mac };
  throw new FlintlockError("internal", `${name} vanished while it was made`);
};

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
