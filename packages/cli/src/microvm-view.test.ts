import { create, ext } from "@flintlock/client";
import { expect, test } from "vitest";
import { portText, uniquePrefixLength } from "./microvm-view.ts";

test("uids are cut where they differ, but not below ten characters", () => {
  expect(uniquePrefixLength([])).toBe(10);
  expect(uniquePrefixLength(["01JD4XYZ00AAAA", "02JD4XYZ00AAAA"])).toBe(10);
  expect(uniquePrefixLength(["01JD4XYZ00AAAB", "01JD4XYZ00AAAA", "01JD4XYZ00CCCC"])).toBe(14);
});

test("a port shows where it can be reached", () => {
  expect(portText(create(ext.PortSchema, { hostPort: 8080, guestPort: 80 }))).toBe("127.0.0.1:8080->80/tcp");
  expect(
    portText(create(ext.PortSchema, { hostIp: "::1", hostPort: 53, guestPort: 53, protocol: "udp" })),
  ).toBe("[::1]:53->53/udp");
});
