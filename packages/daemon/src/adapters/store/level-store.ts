/**
 * The embedded `StateStore`: LevelDB, with group commit. Transactions that arrive while a write is on its way to the disk are
 * checked at once, against what is about to be durable, and written together by the next fsync. The journal is a range
 * of keys of its own and is never held in memory (`journal-block.ts`).
 *
 * LevelDB's lock file keeps a second daemon out of the directory.
 */
import { mkdir } from "node:fs/promises";
import {
  type Entry,
  FlintlockError,
  forgotten,
  type JournalEntry,
  type JournalExtent,
  type StateStore,
  type Transaction,
} from "@flintlock/core";
import { ClassicLevel } from "classic-level";
import { entriesOf, journalBlocks } from "./journal-block.ts";

interface Stored {
  readonly r: number;
  readonly v: string;
}

interface Waiter {
  readonly operations: readonly Operation[];
  readonly append: string | undefined;
  readonly revision: number;
  readonly resolve: (revision: number) => void;
  readonly reject: (error: unknown) => void;
}

type Operation =
  | { readonly type: "put"; readonly key: string; readonly value: string }
  | { readonly type: "del"; readonly key: string };

/** No keys of the core's, and before them all: up to where the journal is forgotten, its entries, the newest revision. */
const FORGOTTEN_KEY = "\u0000forgotten";
const JOURNAL_PREFIX = "\u0000journal/";
const REVISION_KEY = "\u0000revision";

/** Wide enough for every safe integer, so that keys sort as numbers do. */
const REVISION_DIGITS = 16;
/** Of a block, by its newest entry: one that is half forgotten is still there */
const journalKey = (revision: number): string =>
  `${JOURNAL_PREFIX}${String(revision).padStart(REVISION_DIGITS, "0")}`;

export class LevelStore implements StateStore {
  readonly #db: ClassicLevel<string, string>;
  readonly #onBroken: (error: FlintlockError) => void;
  /** Revision by key, of everything accepted, durable or about to be */
  readonly #revisions = new Map<string, number>();
  #revision = 0;
  /** The newest that is on the disk */
  #durable = 0;
  #forgotten = 0;
  #forgetting: Promise<void> = Promise.resolve();
  #queue: Waiter[] = [];
  #flushing: Promise<void> | undefined;
  /** Set when a write failed: what was accepted after it cannot be trusted */
  #broken: unknown;

  private constructor(db: ClassicLevel<string, string>, onBroken: (error: FlintlockError) => void) {
    this.#db = db;
    this.#onBroken = onBroken;
  }

  /**
   * `onBroken` is called once, when a write failed: from then on nothing is accepted.
   * @throws FlintlockError `failed_precondition` – another daemon has the directory; `data_loss` – LevelDB finds it damaged
   */
  static async open(
    directory: string,
    onBroken: (error: FlintlockError) => void = () => undefined,
  ): Promise<LevelStore> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const db = new ClassicLevel<string, string>(directory, { valueEncoding: "utf8" });
    try {
      await db.open();
    } catch (cause) {
      throw openError(directory, cause);
    }
    const store = new LevelStore(db, onBroken);
    store.#revision = Number((await db.get(REVISION_KEY)) ?? "0");
    store.#durable = store.#revision;
    const upTo = await db.get(FORGOTTEN_KEY);
    // A store of a time without a journal: what was done before is not in it
    if (upTo === undefined) await db.put(FORGOTTEN_KEY, String(store.#revision), { sync: true });
    store.#forgotten = upTo === undefined ? store.#revision : Number(upTo);
    for await (const [key, value] of db.iterator({ gt: REVISION_KEY }))
      store.#revisions.set(key, decode(key, value).r);
    return store;
  }

  async get(key: string): Promise<Entry | undefined> {
    const value = await this.#db.get(key);
    if (value === undefined) return undefined;
    const { r, v } = decode(key, value);
    return { key, value: v, revision: r };
  }

  async list(prefix: string): Promise<readonly Entry[]> {
    const entries: Entry[] = [];
    for await (const [key, value] of this.#db.iterator({ gte: prefix, lt: `${prefix}\uffff` })) {
      const { r, v } = decode(key, value);
      entries.push({ key, value: v, revision: r });
    }
    return entries;
  }

  commit(txn: Transaction): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.#broken !== undefined) {
        reject(
          new FlintlockError("unavailable", "the state store failed; restart the daemon", {
            cause: this.#broken,
          }),
        );
        return;
      }
      for (const [key, expected] of Object.entries(txn.expect ?? {})) {
        if ((this.#revisions.get(key) ?? 0) !== expected) {
          reject(new FlintlockError("conflict", `${key} is not at revision ${expected}`));
          return;
        }
      }
      const revision = ++this.#revision;
      const operations: Operation[] = [];
      for (const key of txn.delete ?? []) {
        this.#revisions.delete(key);
        operations.push({ type: "del", key });
      }
      for (const [key, value] of Object.entries(txn.put ?? {})) {
        this.#revisions.set(key, revision);
        operations.push({ type: "put", key, value: encode(revision, value) });
      }
      this.#queue.push({ operations, append: txn.append, revision, resolve, reject });
      this.#flushing ??= this.#flush();
    });
  }

  async extent(): Promise<JournalExtent> {
    return { after: this.#forgotten, last: this.#durable };
  }

  async journal(after: number, limit: number): Promise<readonly JournalEntry[]> {
    const entries: JournalEntry[] = [];
    for await (const [, text] of this.#db.iterator({ gt: journalKey(after), lt: REVISION_KEY, limit })) {
      for (const entry of entriesOf(text)) if (entry.revision > after) entries.push(entry);
      if (entries.length >= limit) break;
    }
    // Asked after reading: what is dropped meanwhile may be missing
    if (after < this.#forgotten) throw forgotten(after, await this.extent());
    return entries.slice(0, limit);
  }

  forget(revision: number): Promise<void> {
    if (revision <= this.#forgotten) return this.#forgetting;
    this.#forgotten = revision;
    // Written down first: of two writes in this order a crash keeps none, the first, or both
    this.#forgetting = this.#forgetting
      .catch(() => undefined)
      .then(async () => {
        await this.#db.put(FORGOTTEN_KEY, String(revision));
        await this.#db.clear({ gt: JOURNAL_PREFIX, lte: journalKey(revision) });
      });
    return this.#forgetting;
  }

  async close(): Promise<void> {
    await this.#flushing;
    await this.#forgetting.catch(() => undefined);
    await this.#db.close();
  }

  async #flush(): Promise<void> {
    while (this.#queue.length > 0) {
      // One turn of the event loop gathers the transactions of one burst.
      await new Promise((resolve) => setImmediate(resolve));
      const group = this.#queue;
      this.#queue = [];
      const revision = group.at(-1)?.revision ?? this.#revision;
      const batch: Operation[] = group.flatMap(({ operations }) => operations);
      const appended = group.flatMap(({ revision, append: value }) =>
        value === undefined ? [] : [{ revision, value }],
      );
      for (const { last, text } of journalBlocks(appended))
        batch.push({ type: "put", key: journalKey(last), value: text });
      batch.push({ type: "put", key: REVISION_KEY, value: String(revision) });
      try {
        await this.#db.batch(batch, { sync: true });
        this.#durable = revision;
        for (const waiter of group) waiter.resolve(waiter.revision);
      } catch (error) {
        this.#broken = error;
        const failure = new FlintlockError("unavailable", "the state store cannot write", {
          hint: "check the free space and the health of the state directory's disk",
          cause: error,
        });
        for (const waiter of [...group, ...this.#queue]) waiter.reject(failure);
        this.#queue = [];
        this.#onBroken(failure);
      }
    }
    this.#flushing = undefined;
  }
}

const encode = (revision: number, value: string): string => `${revision}:${value}`;

const decode = (key: string, text: string): Stored => {
  const colon = text.indexOf(":");
  const revision = Number(text.slice(0, colon));
  if (colon < 1 || !Number.isSafeInteger(revision)) {
    throw new FlintlockError("data_loss", `state store: the entry ${key} is damaged`);
  }
  return { r: revision, v: text.slice(colon + 1) };
};

const openError = (directory: string, cause: unknown): FlintlockError => {
  const code = causeCode(cause);
  if (code === "LEVEL_LOCKED") {
    return new FlintlockError(
      "failed_precondition",
      `another daemon is using the state directory ${directory}`,
      {
        hint: "stop it, or choose another --state-dir",
        cause,
      },
    );
  }
  return new FlintlockError("data_loss", `cannot open the state store in ${directory}`, {
    hint: "see the log for the cause; a copy of the directory should be kept before anything is tried",
    cause,
  });
};

const causeCode = (error: unknown): string => {
  for (let e = error; typeof e === "object" && e !== null; e = "cause" in e ? e.cause : undefined) {
    if ("code" in e && e.code === "LEVEL_LOCKED") return e.code;
  }
  return "";
};
