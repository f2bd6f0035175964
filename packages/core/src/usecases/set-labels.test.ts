import { settle, World, wireInput } from "@flintlock/core/testing";
import { expect, test } from "vitest";

test("labels are replaced, durably, and nothing is done to the machine", async () => {
  const world = new World();
  const { microvms, reconciler } = await world.daemon();
  const { uid } = await microvms.create(wireInput({ labels: { tier: "front", old: "1" } }));
  await settle();
  const before = await microvms.getByUid(uid);
  const after = await microvms.setLabels(uid, { tier: "back" });
  expect(after).toMatchObject({ version: before.version + 1, spec: { labels: { tier: "back" } } });
  expect({ ...after.spec, labels: {} }).toEqual({ ...before.spec, labels: {} });
  await settle();
  expect(world.provider.calls).toEqual([`start ${uid}`]);
  await reconciler.close();
  const again = await world.daemon();
  expect((await again.microvms.getByUid(uid)).spec.labels).toEqual({ tier: "back" });
});

test("bad labels, a uid that is nobody's, and a microVM on its way out are refused", async () => {
  const { microvms } = await new World().daemon();
  const { uid } = await microvms.create(wireInput());
  await expect(microvms.setLabels(uid, { "": "x" })).rejects.toMatchObject({ detail: { field: "labels" } });
  await expect(microvms.setLabels("nobody", {})).rejects.toMatchObject({ code: "not_found" });
  await microvms.deleteByUid(uid);
  await expect(microvms.setLabels(uid, {})).rejects.toMatchObject({ code: "failed_precondition" });
});
