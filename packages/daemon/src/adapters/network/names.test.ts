import fc from "fast-check";
import { expect, test } from "vitest";
import { hostDeviceName } from "./names.ts";

test("a host device's name is fixed by VM and device, and is one the kernel takes", () => {
  expect(hostDeviceName("01JDXAMPLE0000000000000000", "eth0")).toBe("fltapwtz3hrnhn9");
  fc.assert(
    fc.property(fc.string(), fc.string(), (uid, deviceId) => {
      expect(hostDeviceName(uid, deviceId)).toMatch(/^fltap[0-9a-z]{10}$/);
      expect(hostDeviceName(uid, deviceId)).toBe(hostDeviceName(uid, deviceId));
    }),
  );
});

test("neither the VM nor the device alone decides", () => {
  const names = [
    ["a", "bc"],
    ["ab", "c"],
    ["ab", "d"],
  ].map(([uid = "", deviceId = ""]) => hostDeviceName(uid, deviceId));
  expect(new Set(names).size).toBe(3);
});
