import { isIPv6 } from "node:net";

const GROUPS_OF_A_SITE = 4;

/**
 * What stands for one other side in `address:port`, as Node or grpc-js write it: the IPv4 address, or the /64 of an
 * IPv6 one, which is what a single customer is given. Empty for a Unix socket.
 */
export const addressKey = (peer: string): string => {
  const address = peer.slice(0, Math.max(0, peer.lastIndexOf(":"))).replace(/^\[|\]$/g, "");
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(address)) return address;
  const [head = "", tail] = address.split("%")[0]?.split("::") ?? [];
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros =
    tail === undefined ? [] : Array<string>(Math.max(0, 8 - before.length - after.length)).fill("0");
  return `${[...before, ...zeros, ...after].slice(0, GROUPS_OF_A_SITE).join(":")}::/64`;
};
