import { expect, test } from "vitest";
import { publishedOn } from "./published.ts";

const ANSWER = [
  "Hub -1 (net0):",
  "  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ",
  "  TCP[HOST_FORWARD]  14       127.0.0.1  8080       10.0.2.15    80     0     0",
  "  UDP[HOST_FORWARD]  15               *  5353       10.0.2.15    53     0     0",
  "  TCP[ESTABLISHED]   16       127.0.0.1  8080       10.0.2.15    80     0     0",
  "Hub -1 (net1):",
  "  TCP[HOST_FORWARD]  17       127.0.0.1  9090       10.0.3.15    90     0     0",
  "",
].join("\r\n");

test("publications of one network are read, connections and other networks are passed over", () => {
  expect(publishedOn("net0", ANSWER)).toEqual([
    { protocol: "tcp", hostIp: "127.0.0.1", hostPort: 8080, guestPort: 80 },
    { protocol: "udp", hostIp: "0.0.0.0", hostPort: 5353, guestPort: 53 },
  ]);
  expect(publishedOn("net1", ANSWER)).toHaveLength(1);
  expect(publishedOn("net0", "no such thing")).toEqual([]);
});
