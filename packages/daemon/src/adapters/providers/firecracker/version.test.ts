import { expect, test } from "vitest";
import { FIRST_WITH_PCI, isAtLeast, OLDEST, parseVersion } from "./version.ts";

test.each([
  ["Firecracker v1.16.1\n\n", { major: 1, minor: 16, patch: 1 }],
  ["Firecracker v1.10.1\nSupported snapshot data format versions: v4\n", { major: 1, minor: 10, patch: 1 }],
  ["Firecracker v1.17.0-dev\n", { major: 1, minor: 17, patch: 0 }],
  ["cloud-hypervisor v53.0.0\n", undefined],
  ["Firecracker v99999.0.0\n", undefined],
  ["", undefined],
])("%j", (text, version) => {
  expect(parseVersion(text)).toEqual(version);
});

test("versions are compared by their numbers", () => {
  const at = (major: number, minor: number, patch = 0) => isAtLeast({ major, minor, patch }, FIRST_WITH_PCI);
  expect([at(1, 9, 99), at(1, 13), at(2, 0), at(0, 25)]).toEqual([false, true, true, false]);
  expect(isAtLeast({ major: 1, minor: 9, patch: 1 }, OLDEST)).toBe(false);
});
