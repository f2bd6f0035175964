import { settle, World, wireInput } from "@flintlock/core/testing";
import { expect, test } from "vitest";
import type { Caller } from "../domain/caller.ts";
import { FlintlockError } from "../domain/errors.ts";
import type { UseCases } from "./api.ts";
import { type AuditNote, audited } from "./audited.ts";
import { authorized } from "./authorize.ts";

const signal = new AbortController().signal;
const operator: Caller = { name: "ci", role: "operator", namespaces: ["ns"] };

const start = async (caller: Caller) => {
  const { microvms } = await new World().daemon();
  const notes: AuditNote[] = [];
  const all = {
    microvms,
    images: {
      async *pull() {
        yield { kind: "progress", progress: {} };
        throw new FlintlockError("unavailable", "the registry is gone");
      },
      prune: async () => ({ freedBytes: 0 }),
    },
    host: {},
  } as unknown as UseCases;
  return { all, notes, mine: audited(authorized(all, caller), (note) => void notes.push(note)) };
};

const told = (notes: readonly AuditNote[]): unknown =>
  notes.map(({ operation, subject, error, isRefusal }) => [
    operation,
    subject.id ?? subject.image ?? "",
    error?.code ?? "ok",
    isRefusal,
  ]);

test("what changes something is noted with what it was done to; looks are not", async () => {
  const { mine, notes } = await start(operator);
  const metadata = { "user-data": "c2VjcmV0" };
  const vm = await mine.microvms.create(wireInput({ id: "web", metadata }));
  await settle();
  await mine.microvms.get({ target: "web", namespace: "" });
  await mine.microvms.list({ namespace: "", name: undefined, labels: {} });
  await mine.microvms.delete({ target: "web", namespace: "" });
  expect(told(notes)).toEqual([
    ["microvms.create", "web", "ok", false],
    ["microvms.delete", "web", "ok", false],
  ]);
  expect(notes[1]?.subject).toEqual({ namespace: "ns", id: "web", uid: vm.uid });
  expect(JSON.stringify(notes)).not.toContain("c2VjcmV0");
});

test("refusals are noted, of looks too, and also those that the caller takes for absence", async () => {
  const { all, mine, notes } = await start(operator);
  const hidden = await all.microvms.create(wireInput({ id: "db", namespace: "other" }));
  await settle();
  await expect(mine.microvms.getByUid(hidden.uid)).rejects.toMatchObject({ code: "not_found" });
  await expect(mine.microvms.get({ target: "db", namespace: "" })).rejects.toMatchObject({
    code: "not_found",
  });
  await expect(mine.microvms.get({ target: "nothing", namespace: "" })).rejects.toMatchObject({
    code: "not_found",
  });
  await expect(mine.microvms.create(wireInput({ id: "x", namespace: "other" }))).rejects.toMatchObject({
    code: "permission_denied",
  });
  await expect(mine.images.prune()).rejects.toMatchObject({ code: "permission_denied" });
  expect(told(notes)).toEqual([
    ["microvms.getByUid", "", "not_found", true],
    ["microvms.get", "db", "not_found", true],
    ["microvms.create", "x", "permission_denied", true],
    ["images.prune", "", "permission_denied", true],
  ]);
});

test("a stream is noted at its end, with how it ended", async () => {
  const { mine, notes } = await start(operator);
  const all = async () => {
    for await (const _ of mine.images.pull("a.test/b:1", "", signal)) expect(notes).toEqual([]);
  };
  await expect(all()).rejects.toMatchObject({ code: "unavailable" });
  for await (const _ of mine.images.pull("a.test/b:1", "", signal)) break;
  expect(told(notes)).toEqual([
    ["images.pull", "a.test/b:1", "unavailable", false],
    ["images.pull", "a.test/b:1", "canceled", false],
  ]);
});

test("a name as long as a message is cut before it is written down", async () => {
  const { mine, notes } = await start(operator);
  const id = "x".repeat(1_000_000);
  await expect(mine.microvms.create(wireInput({ id }))).rejects.toMatchObject({ code: "invalid_spec" });
  expect(JSON.stringify(notes[0]?.subject).length).toBeLessThan(300);
});
