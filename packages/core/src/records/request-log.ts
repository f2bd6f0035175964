/**
 * Which create made which microVM, by the id that its client chose, so that a create whose answer was lost can be sent
 * again. Kept in the store beside the records: key `request/<caller>/<id>`, for 24 hours and as many as there is room for.
 */
import type { UnixMs } from "../domain/units.ts";
import type { Clock } from "../ports/clock.ts";
import type { Entry, StateStore, Transaction } from "../ports/state-store.ts";

const PREFIX = "request/";
const KEPT_MS = 24 * 60 * 60 * 1000;
/** A client that repeats an older one than these has waited too long: some megabytes of memory */
const MAX_KEPT = 20_000;
/** Forgotten per transaction, so that none is held up by many */
const MAX_FORGOTTEN = 64;

export interface KnownRequest {
  /** Of the microVM that it made */
  readonly uid: string;
  /** Of all that was asked */
  readonly fingerprint: string;
  readonly at: UnixMs;
}

/** What a transaction has to do besides, and its end: one of the two is called. */
export interface Keeping {
  readonly transaction: Required<Omit<Transaction, "append">>;
  kept(revision: number): void;
  /** Nothing was written: what was taken out is known again. */
  failed(): void;
}

interface Held {
  readonly request: KnownRequest;
  readonly revision: number;
}

/** Both parts escaped: neither a caller's name nor an id reaches into another's. */
export const requestKey = (caller: string, id: string): string =>
  `${PREFIX}${encodeURIComponent(caller)}/${encodeURIComponent(id)}`;

export class RequestLog {
  readonly #clock: Clock;
  /** The oldest first */
  readonly #held = new Map<string, Held>();
  readonly #tails = new Map<string, Promise<unknown>>();

  private constructor(clock: Clock) {
    this.#clock = clock;
  }

  static async open(store: StateStore, clock: Clock): Promise<RequestLog> {
    const log = new RequestLog(clock);
    const read = (await store.list(PREFIX)).map((entry) => ({ entry, request: decode(entry) }));
    read.sort((a, b) => a.request.at - b.request.at);
    for (const { entry, request } of read) log.#held.set(entry.key, { request, revision: entry.revision });
    return log;
  }

  find(key: string): KnownRequest | undefined {
    const held = this.#held.get(key);
    return held === undefined || this.#isOver(held) ? undefined : held.request;
  }

  /** One after the other for one key: two that arrive together make one microVM. */
  async inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const mine = (this.#tails.get(key) ?? Promise.resolve()).then(work, work);
    this.#tails.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.#tails.get(key) === mine) this.#tails.delete(key);
    }
  }

  /** `request` is to be kept by a transaction that is committed at once, and whose end is told. */
  keeping(key: string, request: KnownRequest): Keeping {
    const revision = this.#held.get(key)?.revision ?? 0;
    const taken = this.#forget(key);
    return {
      transaction: {
        expect: { [key]: revision },
        put: { [key]: JSON.stringify(request) },
        delete: [...taken.keys()].filter((each) => each !== key),
      },
      kept: (at) => void this.#held.set(key, { request, revision: at }),
      failed: () => {
        for (const [each, held] of taken) if (!this.#held.has(each)) this.#held.set(each, held);
      },
    };
  }

  /** Takes out `key`, and what is over or too much. */
  #forget(key: string): ReadonlyMap<string, Held> {
    const taken = new Map<string, Held>();
    const take = (each: string): void => {
      const held = this.#held.get(each);
      if (held !== undefined) taken.set(each, held);
      this.#held.delete(each);
    };
    take(key);
    for (const [each, held] of this.#held) {
      const isTooMany = this.#held.size >= MAX_KEPT;
      if (taken.size >= MAX_FORGOTTEN || !(isTooMany || this.#isOver(held))) break;
      take(each);
    }
    return taken;
  }

  #isOver({ request }: Held): boolean {
    return this.#clock.now() - request.at > KEPT_MS;
  }
}

/** One that cannot be read is as good as one that is over: it goes with the next that is kept. */
const decode = ({ value }: Entry): KnownRequest => {
  try {
    const { uid, fingerprint, at } = JSON.parse(value) as Partial<KnownRequest>;
    if (typeof uid === "string" && typeof fingerprint === "string" && typeof at === "number") {
      return { uid, fingerprint, at };
    }
  } catch {
    // Told apart below.
  }
  return { uid: "", fingerprint: "", at: 0 as UnixMs };
};
