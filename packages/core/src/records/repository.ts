/**
 * The records of all microVMs: durable in the state store, read from memory.
 *
 * INVARIANTS: memory shows a change only after it is durable; each change carries the revision it was made
 * from, so that a delete mark and a finished create can never overwrite one another; a change and its event in the
 * journal are one transaction.
 */
import { notFound } from "../domain/errors.ts";
import type { MicroVM, MicroVMStatus } from "../domain/microvm.ts";
import { changedEvent, createdEvent, deletedEvent } from "../domain/microvm-event.ts";
import type { Uid } from "../domain/units.ts";
import type { Clock } from "../ports/clock.ts";
import type { StateStore } from "../ports/state-store.ts";
import { decodeRecord, encodeRecord, RECORD_PREFIX, recordKey } from "./codec.ts";
import { encodeEvent } from "./event-codec.ts";
import { Journal } from "./journal.ts";
import { RequestLog } from "./request-log.ts";

interface Held {
  readonly vm: MicroVM;
  readonly revision: number;
}

type Listener = (vm: MicroVM | undefined) => void;

export interface BadRecord {
  readonly key: string;
  readonly error: unknown;
}

/** The request that makes a microVM, where its client chose an id for it. */
export interface KeptRequest {
  /** Of the request log */
  readonly key: string;
  readonly fingerprint: string;
}

export class Repository {
  readonly requests: RequestLog;
  readonly journal: Journal;
  readonly #store: StateStore;
  readonly #clock: Clock;
  readonly #held = new Map<Uid, Held>();
  readonly #listeners = new Map<Uid, Set<Listener>>();
  readonly #subscribers = new Set<(uid: Uid, vm: MicroVM | undefined) => void>();
  /** The last change of each record that is on its way: changes of one record queue up */
  readonly #tails = new Map<Uid, Promise<unknown>>();
  /** On their way to the store, so that two creates in one tick cannot both find a name or a quota free */
  readonly #claimed = new Set<MicroVM>();
  /** What records are about to become, likewise */
  readonly #changing = new Map<Uid, MicroVM>();

  private constructor(store: StateStore, clock: Clock, logs: { requests: RequestLog; journal: Journal }) {
    this.requests = logs.requests;
    this.journal = logs.journal;
    this.#store = store;
    this.#clock = clock;
  }

  /**
   * Reads every record. One that cannot be read is reported and left alone: it never hides the others. `keptEvents`: how
   * many of the last changes can be read again.
   */
  static async open(
    store: StateStore,
    clock: Clock,
    keptEvents?: number,
  ): Promise<{ readonly repository: Repository; readonly bad: readonly BadRecord[] }> {
    const journal = await Journal.open(store, clock, keptEvents);
    const requests = await RequestLog.open(store, clock);
    const repository = new Repository(store, clock, { requests, journal });
    const bad: BadRecord[] = [];
    for (const { key, value, revision } of await store.list(RECORD_PREFIX)) {
      try {
        const vm = decodeRecord(key, value);
        repository.#held.set(vm.uid, { vm, revision });
      } catch (error) {
        bad.push({ key, error });
      }
    }
    return { repository, bad };
  }

  find(uid: Uid): MicroVM | undefined {
    return this.#held.get(uid)?.vm;
  }

  /** @throws FlintlockError `not_found` */
  get(uid: Uid): MicroVM {
    const vm = this.find(uid);
    if (vm === undefined) throw notFound(`microvm ${uid}`);
    return vm;
  }

  /** In order of creation: ULIDs sort by time, and records are added in that order. */
  *all(): Iterable<MicroVM> {
    for (const { vm } of this.#held.values()) yield vm;
  }

  get size(): number {
    return this.#held.size;
  }

  isNameTaken(namespace: string, id: string): boolean {
    for (const vm of this.claimed()) {
      if (vm.id === id && vm.namespace === namespace) return true;
    }
    return false;
  }

  /** All, and those that `add` is about to make durable, as changes that are about to be durable make them. */
  *claimed(): Iterable<MicroVM> {
    yield* this.#claimed;
    for (const vm of this.all()) yield this.#changing.get(vm.uid) ?? vm;
  }

  /** Claims its place at once; durable when it resolves, with the request that made it, or neither. */
  async add(vm: MicroVM, request?: KeptRequest): Promise<void> {
    this.#claimed.add(vm);
    const key = recordKey(vm.uid);
    const known = { uid: vm.uid, fingerprint: request?.fingerprint ?? "", at: this.#clock.now() };
    const keeping = request && this.requests.keeping(request.key, known);
    const also = keeping?.transaction;
    try {
      const revision = await this.#store.commit({
        expect: { [key]: 0, ...also?.expect },
        put: { [key]: encodeRecord(vm), ...also?.put },
        ...(also !== undefined && { delete: also.delete }),
        append: encodeEvent(createdEvent(vm)),
      });
      keeping?.kept(revision);
      this.#held.set(vm.uid, { vm, revision });
      this.#announce(vm.uid, vm, revision);
    } catch (error) {
      keeping?.failed();
      throw error;
    } finally {
      this.#claimed.delete(vm);
    }
  }

  /**
   * Applies `change` to the newest record, durably. Returns the new record, or the old one when `change` returns it
   * unchanged. Changes of one record are made one after the other.
   * @throws FlintlockError `not_found`
   */
  update(uid: Uid, change: (vm: MicroVM) => MicroVM): Promise<MicroVM> {
    return this.#inTurn(uid, () => this.#update(uid, change));
  }

  async #update(uid: Uid, change: (vm: MicroVM) => MicroVM): Promise<MicroVM> {
    const held = this.#held.get(uid);
    if (held === undefined) throw notFound(`microvm ${uid}`);
    const changed = change(held.vm);
    if (changed === held.vm) return held.vm;
    const vm: MicroVM = { ...changed, version: held.vm.version + 1, updatedAt: this.#clock.now() };
    const key = recordKey(uid);
    this.#changing.set(uid, vm);
    try {
      const revision = await this.#store.commit({
        expect: { [key]: held.revision },
        put: { [key]: encodeRecord(vm) },
        append: encodeEvent(changedEvent(held.vm, vm)),
      });
      this.#held.set(uid, { vm, revision });
      this.#announce(uid, vm, revision);
      return vm;
    } finally {
      this.#changing.delete(uid);
    }
  }

  updateStatus(uid: Uid, status: Partial<MicroVMStatus>): Promise<MicroVM> {
    return this.update(uid, (vm) => ({ ...vm, status: { ...vm.status, ...status } }));
  }

  remove(uid: Uid): Promise<void> {
    return this.#inTurn(uid, async () => {
      const held = this.#held.get(uid);
      if (held === undefined) return;
      const revision = await this.#store.commit({
        delete: [recordKey(uid)],
        append: encodeEvent(deletedEvent(held.vm, this.#clock.now())),
      });
      this.#held.delete(uid);
      this.#announce(uid, undefined, revision);
    });
  }

  /**
   * The record now and after changes, the newest only when the reader is slow; `undefined` last, when it is gone.
   */
  async *watch(uid: Uid, signal: AbortSignal): AsyncIterable<MicroVM | undefined> {
    let wake = () => {};
    let hasNews = true;
    const listener = () => {
      hasNews = true;
      wake();
    };
    const listeners = this.#listeners.get(uid) ?? new Set();
    this.#listeners.set(uid, listeners.add(listener));
    signal.addEventListener("abort", listener, { once: true });
    try {
      while (!signal.aborted) {
        hasNews = false;
        const vm = this.find(uid);
        yield vm;
        if (vm === undefined) return;
        if (hasNews) continue;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      signal.throwIfAborted();
    } finally {
      signal.removeEventListener("abort", listener);
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(uid) === listeners) this.#listeners.delete(uid);
    }
  }

  /** Calls `listener` with each record that memory shows anew, and `undefined` for one that is gone, until told to end. */
  subscribe(listener: (uid: Uid, vm: MicroVM | undefined) => void): () => void {
    this.#subscribers.add(listener);
    return () => void this.#subscribers.delete(listener);
  }

  async #inTurn<T>(uid: Uid, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(uid) ?? Promise.resolve();
    const mine = before.then(work, work);
    this.#tails.set(uid, mine);
    try {
      return await mine;
    } finally {
      if (this.#tails.get(uid) === mine) this.#tails.delete(uid);
    }
  }

  #announce(uid: Uid, vm: MicroVM | undefined, revision: number): void {
    this.journal.written(revision);
    for (const listener of this.#listeners.get(uid) ?? []) listener(vm);
    for (const listener of this.#subscribers) listener(uid, vm);
  }
}
