/** What QEMU's user-mode network publishes, as its monitor tells it (libslirp: src/misc.c, `slirp_connection_info`). */
import type { PortPublication } from "@flintlock/core";

const NETDEV = /^Hub\b.*\(([^()]+)\):/;
const FORWARD = /^\s*(TCP|UDP)\[HOST_FORWARD\]\s+\d+\s+(\S+)\s+(\d+)\s+\S+\s+(\d+)\s/;

/** Of one network, from the answer to `info usernet`; lines of another form are passed over. */
export const publishedOn = (netdev: string, answer: string): readonly PortPublication[] => {
  let at: string | undefined;
  return answer.split(/\r?\n/).flatMap((line) => {
    at = line.match(NETDEV)?.[1] ?? at;
    const [, protocol, address, hostPort, guestPort] = line.match(FORWARD) ?? [];
    if (at !== netdev || protocol === undefined || address === undefined) return [];
    return [
      {
        protocol: protocol === "TCP" ? "tcp" : "udp",
        hostIp: address === "*" ? "0.0.0.0" : address,
        hostPort: Number(hostPort),
        guestPort: Number(guestPort),
      },
    ];
  });
};
