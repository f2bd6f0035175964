import type { StateStore } from "@flintlock/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

/** What every state store promises. `reopen` closes the store and opens the same data again. */
export const stateStoreContract = (
  name: string,
  open: () => Promise<StateStore>,
  reopen: ((store: StateStore) => Promise<StateStore>) | undefined,
): void => {
  describe(`state store contract: ${name}`, () => {
    let store: StateStore;
    beforeEach(async () => {
      store = await open();
    });
    afterEach(() => store.close());

    test("what is committed is read back, with the revision that wrote it", async () => {
      const revision = await store.commit({ put: { "a/1": "one", "a/2": "two" } });
      expect(await store.get("a/1")).toEqual({ key: "a/1", value: "one", revision });
      expect(await store.get("a/3")).toBeUndefined();
    });

    test("a list is sorted by key and stays within its prefix", async () => {
      await store.commit({ put: { "a/2": "x", "b/1": "x", "a/10": "x", a: "x" } });
      expect((await store.list("a/")).map(({ key }) => key)).toEqual(["a/10", "a/2"]);
    });

    test("a failed precondition changes nothing", async () => {
      const revision = await store.commit({ put: { k: "old" } });
      await expect(
        store.commit({ expect: { k: revision + 1 }, put: { k: "new", other: "x" } }),
      ).rejects.toMatchObject({
        code: "conflict",
      });
      await expect(store.commit({ expect: { k: 0 }, delete: ["k"] })).rejects.toMatchObject({
        code: "conflict",
      });
      expect((await store.get("k"))?.value).toBe("old");
      expect(await store.get("other")).toBeUndefined();
    });

    test("of two changes from one revision one wins", async () => {
      const revision = await store.commit({ put: { k: "0" } });
      const results = await Promise.allSettled(
        ["1", "2"].map((value) => store.commit({ expect: { k: revision }, put: { k: value } })),
      );
      expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    });

    test("revisions rise by one per transaction, also in a burst", async () => {
      const first = await store.commit({ put: { k: "x" } });
      const burst = await Promise.all(
        Array.from({ length: 100 }, (_, i) => store.commit({ put: { [`k${i}`]: "x" } })),
      );
      expect(burst).toEqual(Array.from({ length: 100 }, (_, i) => first + 1 + i));
    });

    test("a deleted key may be made again", async () => {
      await store.commit({ put: { k: "1" } });
      await store.commit({ delete: ["k"] });
      expect(await store.get("k")).toBeUndefined();
      await store.commit({ expect: { k: 0 }, put: { k: "2" } });
      expect((await store.get("k"))?.value).toBe("2");
    });

    test("the journal has what was appended, in order, by the revision of its transaction", async () => {
      const first = await store.commit({ put: { k: "1" }, append: "one" });
      await store.commit({ put: { k: "2" } });
      await expect(store.commit({ expect: { k: 99 }, append: "never" })).rejects.toThrow();
      const third = await store.commit({ delete: ["k"], append: "three" });
      const entries = [
        { revision: first, value: "one" },
        { revision: third, value: "three" },
      ];
      expect(await store.extent()).toEqual({ after: 0, last: third });
      expect(await store.journal(0, 10)).toEqual(entries);
      expect(await store.journal(0, 1)).toEqual(entries.slice(0, 1));
      expect(await store.journal(first, 10)).toEqual(entries.slice(1));
      expect(await store.journal(third, 10)).toEqual([]);
      expect(await store.list("k")).toEqual([]);
    });

    test("commits resolve in the order of their revisions, the journal never ahead of them", async () => {
      const resolved: number[] = [];
      const burst = Array.from({ length: 200 }, async (_, i) => {
        const revision = await store.commit({ put: { [`k${i}`]: "x" }, append: String(i) });
        resolved.push(revision);
        if (i % 50 === 0) {
          const read = (await store.journal(0, 1000)).map(({ revision }) => revision);
          expect(read).toEqual(Array.from({ length: read.length }, (_, at) => at + 1));
          expect(read.at(-1)).toBeGreaterThanOrEqual(revision);
        }
      });
      await Promise.all(burst);
      expect(resolved).toEqual([...resolved].sort((a, b) => a - b));
    });

    test("what is forgotten is gone, and whoever has not come so far is told", async () => {
      for (const append of ["1", "2", "3", "4"]) await store.commit({ append });
      await store.forget(2);
      await store.forget(1);
      expect((await store.extent()).after).toBe(2);
      await expect(store.journal(1, 10)).rejects.toMatchObject({
        code: "out_of_range",
        detail: { position: 1, first_position: 2, last_position: 4 },
      });
      expect((await store.journal(2, 10)).map(({ value }) => value)).toEqual(["3", "4"]);
    });

    if (reopen === undefined) return;
    test("the journal and what is forgotten of it are there after opening again", async () => {
      for (const append of ["1", "2", "3"]) await store.commit({ append });
      await store.forget(1);
      store = await reopen(store);
      expect(await store.extent()).toEqual({ after: 1, last: 3 });
      expect((await store.journal(1, 10)).map(({ value }) => value)).toEqual(["2", "3"]);
      await expect(store.journal(0, 10)).rejects.toMatchObject({ code: "out_of_range" });
    });

    test("everything is there after closing and opening again", async () => {
      const revision = await store.commit({ put: { k: "1", gone: "1" } });
      const last = await store.commit({ delete: ["gone"] });
      store = await reopen(store);
      expect(await store.get("k")).toEqual({ key: "k", value: "1", revision });
      expect(await store.get("gone")).toBeUndefined();
      expect(await store.commit({ expect: { k: revision }, put: { k: "2" } })).toBe(last + 1);
    });
  });
};
