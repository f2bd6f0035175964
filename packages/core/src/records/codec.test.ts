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
