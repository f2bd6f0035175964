import {
  type Entry,
  FlintlockError,
  forgotten,
  type JournalEntry,
  type JournalExtent,
  type StateStore,
  type Transaction,
} from "@flintlock/core";

/** A `StateStore` in memory: passes the same contract suite as the durable one. */
export class MemoryStore implements StateStore {
  readonly #entries = new Map<string, Entry>();
  #journal: JournalEntry[] = [];
  #revision = 0;
  #after = 0;

  async get(key: string): Promise<Entry | undefined> {
    return this.#entries.get(key);
  }

  async list(prefix: string): Promise<readonly Entry[]> {
    return [...this.#entries.values()]
      .filter(({ key }) => key.startsWith(prefix))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  async commit(txn: Transaction): Promise<number> {
    for (const [key, revision] of Object.entries(txn.expect ?? {})) {
      if ((this.#entries.get(key)?.revision ?? 0) !== revision) {
        throw new FlintlockError("conflict", `${key} is not at revision ${revision}`);
      }
    }
    const revision = ++this.#revision;
    for (const key of txn.delete ?? []) this.#entries.delete(key);
    for (const [key, value] of Object.entries(txn.put ?? {}))
      this.#entries.set(key, { key, value, revision });
    if (txn.append !== undefined) this.#journal.push({ revision, value: txn.append });
    return revision;
  }

  async extent(): Promise<JournalExtent> {
    return { after: this.#after, last: this.#revision };
  }

  async journal(after: number, limit: number): Promise<readonly JournalEntry[]> {
    if (after < this.#after) throw forgotten(after, await this.extent());
    return this.#journal.filter(({ revision }) => revision > after).slice(0, limit);
  }

  async forget(upTo: number): Promise<void> {
    this.#after = Math.max(this.#after, upTo);
    this.#journal = this.#journal.filter(({ revision }) => revision > this.#after);
  }

  async close(): Promise<void> {}
}
