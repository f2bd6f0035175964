import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { legacyTypes } from "@flintlock/api";
import type { Uid } from "@flintlock/core";
import { expect, test } from "vitest";
import { legacySpec } from "../../convert/legacy/microvm.ts";
import { fakeUseCases } from "../../testing/fake-use-cases.ts";
import { sampleMicroVM } from "../../testing/sample-microvm.ts";
import { findNamed } from "./named.ts";
import { updateMicroVM } from "./update.ts";

const specOf = (init: MessageInitShape<typeof legacyTypes.MicroVMSpecSchema>) =>
  create(legacyTypes.MicroVMSpecSchema, { id: "web", namespace: "shop", ...init });

const update = (init: Parameters<typeof specOf>[0], paths: readonly string[] = []) => {
  const { microvms } = fakeUseCases([sampleMicroVM()]);
  return updateMicroVM(microvms, specOf(init), paths);
};

const current = legacySpec(sampleMicroVM());

test("labels are replaced, by mask or without one", async () => {
  for (const paths of [["labels"], ["id", "labels"], []]) {
    expect(await update({ labels: { a: "b" } }, paths)).toMatchObject({
      version: 4,
      spec: { labels: { a: "b" } },
    });
  }
  expect((await update({}, ["labels"])).spec.labels).toEqual({});
  expect((await update({ labels: { tier: "" } })).spec.labels).toEqual({ tier: "" });
});

test("what is as it was asked for is no change", async () => {
  expect((await update(current)).version).toBe(3);
  expect((await update(current, ["vcpu", "kernel.image", "volumes", "labels"])).version).toBe(3);
  const rewritten: legacyTypes.MicroVMSpec = {
    ...current,
    volumes: [...current.volumes].reverse(),
    interfaces: current.interfaces.map((iface) => ({
      ...iface,
      guestMac: iface.guestMac?.toUpperCase() ?? "",
    })),
    createdAt: create(TimestampSchema, { seconds: 2n ** 62n, nanos: -1 }),
  };
  expect((await update(rewritten)).version).toBe(3);
});

test("metadata that the daemon added is no change, and what was sent for it is", async () => {
  const vm = sampleMicroVM();
  const metadata = { ...vm.spec.metadata, "meta-data": "aTogMQo=", "network-config": "eA==" };
  const { microvms } = fakeUseCases([{ ...vm, spec: { ...vm.spec, metadata } }]);
  const send = (init: Parameters<typeof specOf>[0]) => updateMicroVM(microvms, specOf(init), ["metadata"]);
  expect((await send({ metadata: vm.spec.metadata })).version).toBe(3);
  expect((await send({ metadata })).version).toBe(3);
  await expect(send({ metadata: { ...metadata, "meta-data": "aTogMgo=" } })).rejects.toThrow(
    "metadata: cannot",
  );
  await expect(send({})).rejects.toThrow("metadata: cannot");
});

test("the mask decides: what is not in it may be anything", async () => {
  expect((await update({ vcpu: 64, labels: { a: "b" } }, ["labels"])).spec).toMatchObject({
    vcpu: 2,
    labels: { a: "b" },
  });
  expect((await update({ vcpu: 64 }, ["memory_in_mb", "created_at"]).catch((error) => error)).message).toBe(
    "memory_in_mb: cannot be changed; only labels can",
  );
});

test.each<[string, Parameters<typeof specOf>[0], readonly string[]]>([
  ["vcpu", { vcpu: 3, labels: { a: "b" } }, []],
  ["vcpu", { vcpu: 3 }, ["labels", "vcpu"]],
  ["kernel", { kernel: { image: "registry.test/kernel:7" } }, []],
  ["kernel.cmdline", { kernel: { cmdline: "debug" } }, ["kernel.cmdline"]],
  ["initrd", {}, ["initrd"]],
  ["metadata", { metadata: {} }, ["metadata"]],
])("another %s is refused, and nothing changes", async (field, init, paths) => {
  const { microvms, records } = fakeUseCases([sampleMicroVM()]);
  await expect(updateMicroVM(microvms, specOf(init), paths)).rejects.toMatchObject({
    code: "failed_precondition",
    message: `${field}: cannot be changed; only labels can`,
    detail: { field },
  });
  expect([...records.values()].map(({ version }) => version)).toEqual([3]);
});

test.each(["", "nope", "labels.a", "volumes.id", "kernel.nope", "kernel.image.x", "__proto__", "memoryInMb"])(
  "a mask of %j is refused",
  async (path) => {
    await expect(update({}, [path])).rejects.toMatchObject({
      code: "invalid_spec",
      detail: { field: "update_mask" },
    });
  },
);

test("a mask without end is refused", async () => {
  await expect(update({}, new Array(101).fill("labels"))).rejects.toThrow("update_mask: at most 100");
});

test("a name is found in its namespace, and both are needed", async () => {
  const { microvms } = fakeUseCases([sampleMicroVM()]);
  expect((await findNamed(microvms, { id: "web", namespace: "shop" })).id).toBe("web");
  await expect(findNamed(microvms, { id: "web", namespace: "other" })).rejects.toMatchObject({
    code: "not_found",
    message: "microvm spec other/web not found",
  });
  await expect(findNamed(microvms, { id: "", namespace: "shop" })).rejects.toThrow("microvm id is required");
  await expect(findNamed(microvms, { id: "web", namespace: "" })).rejects.toThrow("namespace is required");
});

test("of several of one name the living one is meant, and of two living neither", async () => {
  const vms = [1, 2, 3].map((n) => sampleMicroVM({ uid: `01JD000000000000000000000${n}` as Uid }));
  const [first, second, third] = vms.map((vm) => vm);
  if (first === undefined || second === undefined || third === undefined) throw new Error("three were made");
  const deleted = { deletedAt: first.createdAt };
  const found = (...records: readonly ReturnType<typeof sampleMicroVM>[]) =>
    findNamed(fakeUseCases(records).microvms, { id: "web", namespace: "shop" });
  expect((await found({ ...first, ...deleted }, second, { ...third, ...deleted })).uid).toBe(second.uid);
  expect((await found({ ...first, ...deleted }, { ...second, ...deleted })).uid).toBe(second.uid);
  await expect(found(first, second)).rejects.toMatchObject({ code: "failed_precondition" });
});
