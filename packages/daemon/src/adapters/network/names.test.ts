import fc from "fast-check";
import { expect, test } from "vitest";
import { hostDeviceIndex, hostDeviceName } from "./names.ts";

test("a host device's name is fixed by VM, device and type, and is one the kernel takes", () => {
  expect(hostDeviceName("01JDXAMPLE0000000000000000", "eth0", "tap")).toBe("fltapwtz3hrnhn9");
  expect(hostDeviceName("01JDXAMPLE0000000000000000", "eth0", "macvtap")).toBe("flvtapwtz3hrnhn");
  fc.assert(
    fc.property(fc.string(), fc.string(), (uid, deviceId) => {
      expect(hostDeviceName(uid, deviceId, "tap")).toMatch(/^fltap[0-9a-z]{10}$/);
      expect(hostDeviceName(uid, deviceId, "tap")).toBe(hostDeviceName(uid, deviceId, "tap"));
    }),
  );
});

test("neither the VM nor the device alone decides", () => {
  const names = [
    ["a", "bc"],
    ["ab", "c"],
    ["ab", "d"],
  ].map(([uid = "", deviceId = ""]) => hostDeviceName(uid, deviceId, "tap"));
  expect(new Set(names).size).toBe(3);
});

test("a MACVTAP's number is fixed too, and an int32 that the kernel does not reach by counting", () => {
  expect(hostDeviceIndex("01JDXAMPLE0000000000000000", "eth0")).toBe(
    hostDeviceIndex("01JDXAMPLE0000000000000000", "eth0"),
  );
  fc.assert(
    fc.property(fc.string(), fc.string(), (uid, deviceId) => {
      const index = hostDeviceIndex(uid, deviceId);
      expect(index).toBeGreaterThanOrEqual(2 ** 24);
      expect(index).toBeLessThan(2 ** 31);
    }),
  );
});
