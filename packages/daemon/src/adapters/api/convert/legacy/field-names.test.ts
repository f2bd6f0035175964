import { FlintlockError, invalidField } from "@flintlock/core";
import { expect, test } from "vitest";
import { inLegacyNames, legacyField } from "./field-names.ts";

const volumes = { root: undefined, additional: [], rootIndex: 1, additionalIndexes: [0, 2] };

test.each([
  ["root_volume", "volumes[1]"],
  ["root_volume.source.container_source", "volumes[1].source.container_source"],
  ["additional_volumes", "volumes"],
  ["additional_volumes[1].mount_point", "volumes[2].mount_point"],
  ["additional_volumes[7].id", "volumes.id"],
  ["interfaces[3].device_id", "interfaces[3].guest_device_name"],
  ["interfaces[0].address.address", "interfaces[0].address"],
  ["interfaces[0].guest_mac", "interfaces[0].guest_mac"],
  ["kernel.cmdline[a b]", "kernel.cmdline"],
  ["memory_in_mb", "memory_in_mb"],
])("%s is %s to a client of the first API", (ours, theirs) => {
  expect(legacyField(ours, volumes)).toBe(theirs);
});

test("without a root its fields are the list's", () => {
  expect(legacyField("root_volume.source", { ...volumes, rootIndex: undefined })).toBe("volumes.source");
});

test("message, detail and every violation are told in the first API's names", async () => {
  const violations = [
    { field: "root_volume.id", problem: "is bad" },
    { field: "additional_volumes[0].id", problem: "additional_volumes[0].id: is $& bad" },
  ];
  const message = "validation failures found: root_volume.id: is bad; additional_volumes[0].id: is $& bad";
  const thrown = new FlintlockError("invalid_spec", message, {
    detail: { field: "root_volume.id", other: 1 },
    violations,
    hint: "so",
  });
  const fails = (error: unknown) => inLegacyNames(volumes, () => Promise.reject(error));
  await expect(fails(thrown)).rejects.toMatchObject({
    code: "invalid_spec",
    message: "validation failures found: volumes[1].id: is bad; volumes[0].id: is $& bad",
    detail: { field: "volumes[1].id", other: 1 },
    violations: [
      { field: "volumes[1].id", problem: "is bad" },
      { field: "volumes[0].id", problem: "volumes[0].id: is $& bad" },
    ],
    hint: "so",
  });
  const other = new FlintlockError("already_exists", "microvm a/b already exists");
  await expect(fails(other)).rejects.toBe(other);
  const bug = new Error("bug");
  await expect(fails(bug)).rejects.toBe(bug);
  await expect(fails(invalidField("vcpu", "x"))).rejects.toMatchObject({ message: "vcpu: x" });
  await expect(inLegacyNames(volumes, async () => 1)).resolves.toBe(1);
});
