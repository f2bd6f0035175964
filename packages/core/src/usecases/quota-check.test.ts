import { settle, World, wireInput } from "@flintlock/core/testing";
import { expect, test } from "vitest";
import type { Caller } from "../domain/caller.ts";
import { NO_QUOTA, type Quota } from "../domain/quota.ts";

const ci: Caller = { name: "ci", role: "operator", namespaces: "all" };
const start = async (quotas: { readonly ns?: Partial<Quota>; readonly ci?: Partial<Quota> }) => {
  const world = new World();
  world.quotas = {
    ofNamespace: (name) => ({ ...NO_QUOTA, ...(name === "ns" ? quotas.ns : {}) }),
    ofCaller: (name) => ({ ...NO_QUOTA, ...(name === "ci" ? quotas.ci : {}) }),
  };
  return world.daemon();
};

test("the message says what is used, asked and allowed", async () => {
  const { microvms } = await start({ ns: { vcpu: 5 } });
  await microvms.create(wireInput({ vcpu: 4 }), ci);
  await expect(microvms.create(wireInput({ vcpu: 2 }), ci)).rejects.toMatchObject({
    code: "exhausted",
    message: "namespace ns: over its quota of vcpu: 4 used, 2 asked, the limit is 5",
  });
  await microvms.create(wireInput({ vcpu: 2, namespace: "other" }), ci);
  await microvms.create(wireInput({ vcpu: 1 }), ci);
});

test("memory and the number of microVMs are counted too, and by creator across namespaces", async () => {
  const { microvms } = await start({ ns: { memoryMib: 2048 }, ci: { microvms: 2 } });
  await microvms.create(wireInput({ memoryInMb: 1024 }), ci);
  await expect(microvms.create(wireInput({ memoryInMb: 1025 }), ci)).rejects.toThrow(
    "memory_in_mb: 1024 used, 1025 asked, the limit is 2048",
  );
  await microvms.create(wireInput({ namespace: "other" }), ci);
  await expect(microvms.create(wireInput({ namespace: "third" }), ci)).rejects.toThrow("caller ci");
  await microvms.create(wireInput({ namespace: "third" }), { ...ci, name: "else" });
});

test("of many creates at once no more get through than there is room for", async () => {
  const { microvms, repository } = await start({ ns: { microvms: 3 } });
  const results = await Promise.allSettled(
    Array.from({ length: 20 }, (_, n) => microvms.create(wireInput({ id: `vm-${n}` }), ci)),
  );
  expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(3);
  expect(repository.size).toBe(3);
});

test("what is deleted makes room once it is gone", async () => {
  const { microvms } = await start({ ns: { microvms: 1 } });
  const vm = await microvms.create(wireInput(), ci);
  await microvms.deleteByUid(vm.uid);
  await settle();
  await expect(microvms.create(wireInput(), ci)).resolves.toMatchObject({ createdBy: "ci" });
});
