import { NO_CHANGE, settle, World, wireInput } from "@flintlock/core/testing";
import { expect, test } from "vitest";
import { NO_QUOTA } from "../domain/quota.ts";
import type { UpdateInput } from "../domain/update.ts";

const input = (change: Partial<UpdateInput>): UpdateInput => ({ ...NO_CHANGE, ...change });

const begin = async (world = new World()) => {
  const daemon = await world.daemon();
  const vm = await daemon.microvms.create(
    wireInput({ vcpu: 1, memoryInMb: 512, labels: { a: "1", b: "2" } }),
  );
  await settle();
  const target = { target: vm.uid, namespace: "" };
  const update = (change: Partial<UpdateInput>, dryRun = false) =>
    daemon.microvms.update(target, input(change), dryRun);
  return { world, ...daemon, target, update, uid: vm.uid };
};

test("what is named changes, and the answer says when; the rest stays", async () => {
  const { update, world, uid } = await begin();
  const { microvm, changes } = await update({
    labels: { a: "9", c: "3" },
    removeLabels: ["b"],
    restart: "on-failure",
    maxRestarts: 3,
    vcpu: 2,
    memoryInMb: 1024,
  });
  expect(microvm.spec).toMatchObject({
    labels: { a: "9", c: "3" },
    restart: "on-failure",
    maxRestarts: 3,
    vcpu: 2,
    memoryMib: 1024,
  });
  expect(changes).toEqual([
    { field: "labels", effect: "live" },
    { field: "restart", effect: "live" },
    { field: "max_restarts", effect: "live" },
    { field: "vcpu", effect: "next-start" },
    { field: "memory_in_mb", effect: "next-start" },
  ]);
  await settle();
  // The machine that runs is left alone.
  expect(world.provider.calls).toEqual([`start ${uid}`]);
  const other = await update({ restart: "always" });
  expect(other.microvm.spec.maxRestarts).toBeUndefined();
  expect(other.changes.map(({ field }) => field)).toEqual(["restart", "max_restarts"]);
});

test("a change to what is so already writes nothing, and a dry run does not either", async () => {
  const { update, microvms, uid } = await begin();
  const { version } = await microvms.getByUid(uid);
  expect((await update({ vcpu: 1, labels: { a: "1" } })).changes).toEqual([]);
  const dry = await update({ vcpu: 2, isProtected: true }, true);
  expect(dry.microvm).toMatchObject({ isProtected: true, spec: { vcpu: 2 } });
  expect(dry.changes.map(({ field }) => field)).toEqual(["protected", "vcpu"]);
  expect(await microvms.getByUid(uid)).toMatchObject({ version, spec: { vcpu: 1 } });
});

test.each([
  [{ vcpu: 65 }, "vcpu"],
  [{ memoryInMb: 1 }, "memory_in_mb"],
  [{ restart: "sometimes" }, "restart"],
  [{ maxRestarts: 3 }, "max_restarts"],
  [{ restart: "always", maxRestarts: 3 }, "max_restarts"],
  [{ labels: { "": "x" } }, "labels"],
  [{ labels: { a: "x" }, removeLabels: ["a"] }, "remove_labels"],
])("%j is refused by its field, and nothing else of the request is done", async (bad, field) => {
  const { update, microvms, uid } = await begin();
  const before = await microvms.getByUid(uid);
  await expect(update({ isProtected: true, ...bad })).rejects.toMatchObject({
    code: "invalid_spec",
    detail: { field },
  });
  expect(await microvms.getByUid(uid)).toEqual(before);
});

test("a change that was decided on another version is a conflict", async () => {
  const { update, microvms, uid } = await begin();
  const { version } = await microvms.getByUid(uid);
  await update({ ifVersion: version, labels: { a: "2" } });
  await expect(update({ ifVersion: version, labels: { a: "3" } })).rejects.toMatchObject({
    code: "conflict",
    detail: { version: version + 1 },
  });
});

test("a protected microVM is not deleted until that is lifted, also after a restart of the daemon", async () => {
  const { update, microvms, reconciler, world, target, uid } = await begin();
  await update({ isProtected: true });
  await expect(microvms.delete(target)).rejects.toMatchObject({
    code: "failed_precondition",
    hint: expect.stringContaining("--no-protect"),
  });
  await reconciler.close();
  const again = await world.daemon();
  await expect(again.microvms.deleteByUid(uid)).rejects.toMatchObject({ code: "failed_precondition" });
  await again.microvms.update(target, input({ isProtected: false }), false);
  await again.microvms.delete(target);
  await expect(again.microvms.update(target, input({ vcpu: 2 }), false)).rejects.toMatchObject({
    code: "failed_precondition",
  });
});

test("a quota counts the others, what it is to be, and what two changes at once are about to take", async () => {
  const world = new World();
  world.quotas = { ofNamespace: () => ({ ...NO_QUOTA, vcpu: 4 }), ofCaller: () => NO_QUOTA };
  const { microvms, update } = await begin(world);
  const other = await microvms.create(wireInput({ id: "other", vcpu: 1, memoryInMb: 512 }));
  await expect(update({ vcpu: 4 })).rejects.toMatchObject({ code: "exhausted" });
  const both = await Promise.allSettled([
    update({ vcpu: 3 }),
    microvms.update({ target: other.uid, namespace: "" }, input({ vcpu: 3 }), false),
  ]);
  expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  // With the quota full, what takes no more of it is still possible.
  expect((await update({ labels: { a: "7" } })).changes).toHaveLength(1);
});
