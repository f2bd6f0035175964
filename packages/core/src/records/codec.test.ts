import { World, wireInput } from "@flintlock/core/testing";
import { expect, test } from "vitest";
import { decodeRecord, encodeRecord, recordKey } from "./codec.ts";

test("a record from before creators were kept is read, and its creator is nobody", async () => {
  const { microvms } = await new World().daemon();
  const vm = await microvms.create(wireInput(), { name: "ci", role: "operator", namespaces: "all" });
  expect(decodeRecord(recordKey(vm.uid), encodeRecord(vm)).createdBy).toBe("ci");
  const old = encodeRecord(vm).replace('"createdBy":"ci",', "");
  expect(decodeRecord(recordKey(vm.uid), old)).toEqual({ ...vm, createdBy: "" });
});

test("a record from before providers were chosen, and had limits, reads as one without a reason and without limits", async () => {
  const { microvms } = await new World().daemon();
  const vm = await microvms.create(wireInput());
  const limited = { ...vm, spec: { ...vm.spec, limits: { diskBytesPerSecond: 2048 }, balloonMib: 0 } };
  expect(decodeRecord(recordKey(vm.uid), encodeRecord(limited))).toEqual(limited);
  const { providerReason, ...old } = vm;
  expect(providerReason).toBe("the daemon's default");
  const read = decodeRecord(recordKey(vm.uid), encodeRecord(old));
  expect([read.providerReason, read.spec.limits, read.spec.balloonMib, read.spec.isOffline]).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});
