/** A guest's own addresses, from its kernel's tables. The text is the guest's: bounded, and not to be believed. */

/** Of them all; more are nobody's */
const MAX_ADDRESSES = 32;

/**
 * Those that others can reach, IPv4 first: of `/proc/net/fib_trie` and `/proc/net/if_inet6`, one after the other in any
 * order. Loopback and link-local ones are left out.
 */
export const addressesIn = (tables: string): readonly string[] => {
  const lines = tables.split("\n");
  const found = [...ipv4In(lines), ...lines.flatMap((line) => ipv6In(line) ?? [])];
  return [...new Set(found)].slice(0, MAX_ADDRESSES);
};

/** An address, and on the next line that it is the host's own. */
const ipv4In = (lines: readonly string[]): readonly string[] =>
  lines.flatMap((line, index) => {
    const address = /^[\s|]*\|-- (\d{1,3}(?:\.\d{1,3}){3})$/.exec(line)?.[1];
    const isOwn = /^\s*\/32 host LOCAL$/.test(lines[index + 1] ?? "");
    return address !== undefined && isOwn && !/^(?:127|169\.254)\./.test(address) ? [address] : [];
  });

const TENTATIVE = 0x40;

/** Address, index, prefix, scope (0: global), flags, name. */
const ipv6In = (line: string): string | undefined => {
  const match = /^([0-9a-f]{32}) [0-9a-f]{2} [0-9a-f]{2} 00 +([0-9a-f]{2}) +\S+$/.exec(line);
  const [, digits = "", flags = ""] = match ?? [];
  if (match === null || (Number.parseInt(flags, 16) & TENTATIVE) !== 0) return undefined;
  const groups = digits.match(/.{4}/g) ?? [];
  // The shortest form, by the one parser that is at hand.
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
};
