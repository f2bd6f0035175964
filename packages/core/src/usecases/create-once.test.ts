import { settle, World, wireInput } from "@flintlock/core/testing";
import { expect, test, vi } from "vitest";
import { type Caller, LOCAL_CALLER } from "../domain/caller.ts";

const OTHER: Caller = { name: "other", role: "operator", namespaces: "all" };
const DAY_MS = 24 * 60 * 60 * 1000;

const input = wireInput({ requestId: "r1", labels: { a: "1", b: "2" } });

test("a create that is sent again makes no second microVM, not even across a restart", async () => {
  const world = new World();
  const first = await world.daemon();
  const vm = await first.microvms.create(input);
  const again = { ...input, labels: { b: "2", a: "1" } };
  expect((await first.microvms.create(again)).uid).toBe(vm.uid);
  await first.reconciler.close();
  const second = await world.daemon();
  expect((await second.microvms.create(input)).uid).toBe(vm.uid);
  expect(second.repository.size).toBe(1);
});

test("creates that arrive together make one microVM", async () => {
  const { microvms, repository } = await new World().daemon();
  const vms = await Promise.all(Array.from({ length: 20 }, () => microvms.create(input)));
  expect(new Set(vms.map(({ uid }) => uid)).size).toBe(1);
  expect(repository.size).toBe(1);
});

test("a create that was refused may be sent again", async () => {
  const world = new World();
  const { microvms } = await world.daemon();
  const bad = { ...input, vcpu: 100 };
  await expect(microvms.create(bad)).rejects.toMatchObject({ code: "invalid_spec" });
  await expect(microvms.create(input)).resolves.toMatchObject({ id: "web" });
});

test("another spec under the same id is refused, and names the microVM that has it", async () => {
  const { microvms } = await new World().daemon();
  const { uid } = await microvms.create(input);
  await expect(microvms.create({ ...input, vcpu: 2 })).rejects.toMatchObject({
    code: "already_exists",
    message: expect.stringContaining(uid),
    detail: { field: "request_id", uid },
  });
});

test("another caller's ids are its own, whatever is in them", async () => {
  const { microvms } = await new World().daemon();
  const mine = await microvms.create({ ...input, requestId: "other/r1" }, LOCAL_CALLER);
  const theirs = await microvms.create({ ...input, requestId: "r1" }, OTHER);
  expect(theirs.uid).not.toBe(mine.uid);
});

test("what is being deleted, or gone, is not made again under its old id", async () => {
  const world = new World();
  const { microvms } = await world.daemon();
  world.provider.script.stopMs = 1000;
  const { uid } = await microvms.create(input);
  await settle();
  await microvms.deleteByUid(uid);
  const refusal = { code: "failed_precondition", message: expect.stringContaining("is being deleted") };
  await expect(microvms.create(input)).rejects.toMatchObject(refusal);
  world.clock.advance(1000);
  await settle();
  await expect(microvms.getByUid(uid)).rejects.toMatchObject({ code: "not_found" });
  await expect(microvms.create(input)).rejects.toMatchObject({
    message: expect.stringContaining("was deleted"),
  });
});

test("after a day an id is forgotten, and its record goes with the next create", async () => {
  const world = new World();
  const { microvms } = await world.daemon();
  const { uid } = await microvms.create(input);
  world.clock.advance(DAY_MS + 1);
  const next = await microvms.create({ ...input, requestId: "r2" });
  expect((await world.store.list("request/")).map(({ key }) => key)).toEqual(["request/flintlockd/r2"]);
  expect((await microvms.create(input)).uid).not.toBe(uid);
  expect(next.uid).not.toBe(uid);
});

test("a create that could not be stored may be sent again, under an id that was over as well", async () => {
  const world = new World();
  const { microvms } = await world.daemon();
  await microvms.create(input);
  await microvms.create({ ...input, requestId: "r2" });
  world.clock.advance(DAY_MS + 1);
  const commit = vi.spyOn(world.store, "commit").mockRejectedValueOnce(new Error("no space left"));
  await expect(microvms.create(input)).rejects.toThrow("no space left");
  commit.mockRestore();
  for (const requestId of ["r1", "r2"]) {
    const { uid } = await microvms.create({ ...input, requestId });
    expect((await microvms.create({ ...input, requestId })).uid).toBe(uid);
  }
});

test("an id that is too long or not printable is refused", async () => {
  const { microvms } = await new World().daemon();
  for (const requestId of ["x".repeat(129), "a\nb", "é"]) {
    await expect(microvms.create({ ...input, requestId })).rejects.toMatchObject({
      code: "invalid_spec",
      detail: { field: "request_id" },
    });
  }
});
