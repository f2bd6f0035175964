import { type Entry, FlintlockError, type StateStore, type Transaction } from "@flintlock/core";

/** A `StateStore` in memory: passes the same contract suite as the durable one. */
export class MemoryStore implements StateStore {
  readonly #entries = new Map<string, Entry>();
  #revision = 0;

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
    return revision;
  }

  async close(): Promise<void> {}
}
