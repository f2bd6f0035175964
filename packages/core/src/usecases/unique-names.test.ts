import { settle, World, wireInput } from "@flintlock/core/testing";
import { expect, test } from "vitest";

test("a request that needs its name for itself is refused a name in use, until that is gone", async () => {
  const { microvms } = await new World().daemon();
  const { uid } = await microvms.create(wireInput());
  await microvms.create(wireInput());
  const unique = wireInput({ needsUniqueName: true });
  await expect(microvms.create(unique)).rejects.toMatchObject({ code: "already_exists" });
  await microvms.create({ ...unique, namespace: "other" });
  for (const vm of await microvms.list({ namespace: "ns", name: undefined, labels: {} })) {
    await microvms.deleteByUid(vm.uid);
  }
  await settle();
  expect((await microvms.create(unique)).uid).not.toBe(uid);
});

test("of two such requests at once, one gets the name", async () => {
  const { microvms } = await new World().daemon();
  const unique = wireInput({ needsUniqueName: true });
  const results = await Promise.allSettled([microvms.create(unique), microvms.create(unique)]);
  expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
});
