import { expect, test } from "vitest";
import { addressKey } from "./peer-address.ts";

test.each([
  ["10.0.0.1:4000", "10.0.0.1"],
  ["::ffff:10.0.0.1:4000", "10.0.0.1"],
  ["2001:db8:1:2:3:4:5:6:4000", "2001:db8:1:2::/64"],
  ["2001:db8::1:4000", "2001:db8:0:0::/64"],
  ["::1:4000", "0:0:0:0::/64"],
  ["fe80::1%eth0:4000", "fe80:0:0:0::/64"],
  ["", ""],
])("%s is %s", (peer, key) => {
  expect(addressKey(peer)).toBe(key);
});
