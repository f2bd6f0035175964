import { settle, World, wireInput } from "@flintlock/core/testing";
import { expect, test } from "vitest";
import type { Uid } from "../domain/units.ts";
import { MAX_PAGE_SIZE, pageOf } from "./list-page.ts";

const everything = { namespace: "", name: undefined, labels: {} };

test("pages are stable while microVMs come and go", async () => {
  const { microvms } = await new World().daemon();
  const uids: Uid[] = [];
  for (let i = 0; i < 5; i++) uids.push((await microvms.create(wireInput({ id: `vm${i}` }))).uid);
  await settle();
  const first = pageOf(await microvms.list(everything), { size: 2, token: "" });
  expect(first.microvms.map(({ uid }) => uid)).toEqual(uids.slice(0, 2));
  // The token's own microVM goes, and a new one comes.
  await microvms.deleteByUid(uids[1] as Uid);
  await settle();
  const { uid: sixth } = await microvms.create(wireInput({ id: "vm5" }));
  const second = pageOf(await microvms.list(everything), { size: 3, token: first.nextToken });
  expect(second.microvms.map(({ uid }) => uid)).toEqual(uids.slice(2, 5));
  const third = pageOf(await microvms.list(everything), { size: 3, token: second.nextToken });
  expect([third.microvms.map(({ uid }) => uid), third.nextToken]).toEqual([[sixth], ""]);
});

test("a last page that is full has no next one", async () => {
  const { microvms } = await new World().daemon();
  for (let i = 0; i < 2; i++) await microvms.create(wireInput({ id: `vm${i}` }));
  const all = await microvms.list(everything);
  expect(pageOf(all, { size: 2, token: "" }).nextToken).toBe("");
  expect(pageOf(all, { size: 0, token: "" })).toEqual({ microvms: all, nextToken: "" });
});

test.each([
  [{ size: MAX_PAGE_SIZE + 1, token: "" }, "page_size"],
  [{ size: -1, token: "" }, "page_size"],
  [{ size: 1, token: "../x" }, "page_token"],
])("%j is refused", (request, field) => {
  expect(() => pageOf([], request)).toThrow(expect.objectContaining({ detail: { field } }));
});

test("a list is filtered by namespace, name, labels and state, all of them", async () => {
  const { microvms } = await new World().daemon();
  await microvms.create(wireInput({ id: "a", namespace: "n1", labels: { tier: "x", zone: "1" } }));
  await microvms.create(wireInput({ id: "a", namespace: "n2", labels: { tier: "x" } }));
  const { uid } = await microvms.create(wireInput({ id: "b", namespace: "n2" }));
  await settle();
  await microvms.deleteByUid(uid);
  const names = async (filter: object): Promise<readonly string[]> =>
    (await microvms.list({ ...everything, ...filter })).map(({ namespace, id }) => `${namespace}/${id}`);
  expect(await names({ labels: { tier: "x" } })).toEqual(["n1/a", "n2/a"]);
  expect(await names({ labels: { tier: "x", zone: "1" } })).toEqual(["n1/a"]);
  expect(await names({ labels: { toString: "x" } })).toEqual([]);
  expect(await names({ name: "a", namespace: "n2" })).toEqual(["n2/a"]);
  expect(await names({ states: ["deleting", "failed"] })).toEqual(["n2/b"]);
  expect(await names({ states: ["created"], namespace: "n2" })).toEqual(["n2/a"]);
});
