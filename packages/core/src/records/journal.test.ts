import {
  FlintlockError,
  type MicroVM,
  Repository,
  type StateStore,
  type Transaction,
  type Uid,
} from "@flintlock/core";
import { ManualClock, MemoryStore, settle, World, wireInput } from "@flintlock/core/testing";
import { beforeEach, describe, expect, test } from "vitest";
import { decodeEvent } from "./event-codec.ts";

/** Fails the commits that it is told to, and none of what they hold is written. */
class FailingStore extends MemoryStore {
  failures = 0;

  override async commit(txn: Transaction): Promise<number> {
    if (this.failures-- > 0) throw new FlintlockError("unavailable", "the disk is full");
    return super.commit(txn);
  }
}

const { microvms } = await new World().daemon();
const sample = await microvms.create(wireInput());
const named = (index: number): MicroVM => ({
  ...sample,
  uid: `01JD0000000000000000000${String(index).padStart(3, "0")}` as Uid,
  id: `vm-${index}`,
});

let store: FailingStore;
let clock: ManualClock;
let repository: Repository;
beforeEach(async () => {
  store = new FailingStore();
  clock = new ManualClock();
  ({ repository } = await Repository.open(store, clock));
});

const told = async (from: StateStore = store): Promise<readonly string[]> =>
  (await from.journal(0, 1000))
    .map(decodeEvent)
    .map((event) => `${event.name} ${event.version} ${event.type}`);

describe("each durable write of a record, and nothing else, is in the journal", () => {
  test("from the first to the last", async () => {
    const vm = named(1);
    await repository.add(vm);
    await repository.updateStatus(vm.uid, { state: "created" });
    await repository.update(vm.uid, (record) => record);
    await repository.remove(vm.uid);
    await repository.remove(vm.uid);
    expect(await told()).toEqual(["vm-1 1 created", "vm-1 2 running", "vm-1 3 deleted"]);
  });

  test("a write that fails is not, and the next has its version", async () => {
    const vm = named(1);
    store.failures = 1;
    await expect(repository.add(vm)).rejects.toMatchObject({ code: "unavailable" });
    expect(await told()).toEqual([]);
    await repository.add(vm);
    store.failures = 2;
    await expect(repository.updateStatus(vm.uid, { state: "created" })).rejects.toThrow("full");
    await expect(repository.remove(vm.uid)).rejects.toThrow("full");
    await repository.updateStatus(vm.uid, { state: "created" });
    expect(await told()).toEqual(["vm-1 1 created", "vm-1 2 running"]);
    expect(repository.journal.last).toBe((await store.extent()).last);
  });

  test("a write that another got ahead of is not", async () => {
    const { repository: other } = await Repository.open(store, clock);
    await repository.add(named(1));
    await expect(other.add(named(1))).rejects.toMatchObject({ code: "conflict" });
    expect(await told()).toEqual(["vm-1 1 created"]);
  });
});

describe("a reader", () => {
  const read = async (from: number, count: number): Promise<readonly string[]> => {
    const names: string[] = [];
    for await (const { entries } of repository.journal.pages(from, 1000, new AbortController().signal)) {
      names.push(...entries.map(decodeEvent).map((event) => `${event.name} ${event.version}`));
      if (names.length >= count) break;
    }
    return names;
  };

  test("gets more than a page, and what comes while it reads, once and in order", async () => {
    for (let i = 0; i < 600; i++) await repository.add(named(i));
    const reading = read(0, 700);
    await settle();
    await Promise.all(
      Array.from({ length: 100 }, (_, i) => repository.updateStatus(named(i).uid, { retry: 1 })),
    );
    const first = Array.from({ length: 600 }, (_, i) => `vm-${i} 1`);
    const second = Array.from({ length: 100 }, (_, i) => `vm-${i} 2`);
    expect(await reading).toEqual([...first, ...second]);
  });

  test("hears that nothing has come, and up to where that is true", async () => {
    await repository.add(named(1));
    const pages = repository.journal.pages(1, 1000, new AbortController().signal);
    const quiet = pages.next();
    await settle();
    clock.advance(1000);
    expect(await quiet).toEqual({ done: false, value: { position: 1, entries: [] } });
  });

  test("ends with its signal, also while it waits", async () => {
    const control = new AbortController();
    const next = repository.journal.pages(0, 1000, control.signal).next();
    await settle();
    control.abort(new FlintlockError("canceled", "enough"));
    await expect(next).rejects.toMatchObject({ code: "canceled" });
  });

  test("that comes too late, or too early, is told where it can go on", async () => {
    ({ repository } = await Repository.open(store, clock, 100));
    for (let i = 0; i < 250; i++) await repository.add(named(i));
    await settle();
    const { after, last } = await store.extent();
    expect(last - after).toBeGreaterThanOrEqual(100);
    expect(last - after).toBeLessThanOrEqual(107);
    expect(() => repository.journal.check(after - 1)).toThrow(
      expect.objectContaining({
        code: "out_of_range",
        detail: expect.objectContaining({ first_position: after }),
      }),
    );
    await expect(read(after - 1, 1)).rejects.toMatchObject({ code: "out_of_range" });
    expect(() => repository.journal.check(last + 1)).toThrow(
      expect.objectContaining({ code: "out_of_range" }),
    );
    expect(await read(after, last - after)).toContain("vm-249 1");
  });
});

test("an entry of another format is damage, not an event", () => {
  const code = expect.objectContaining({ code: "data_loss" });
  expect(() => decodeEvent({ revision: 3, value: '{"format":2,"event":{"uid":"x"}}' })).toThrow(code);
  expect(() => decodeEvent({ revision: 3, value: "nonsense" })).toThrow(code);
});
