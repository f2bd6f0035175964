/**
 * An ordered key-value store with atomic, conditional transactions: the shape that LevelDB (embedded) and etcd
 * (fleet) share.
 *
 * INVARIANTS: revisions rise by one per committed transaction; a resolved `commit` is durable; a
 * transaction whose preconditions fail changes nothing.
 */
export interface Entry {
  readonly key: string;
  readonly value: string;
  /** Revision of the transaction that last wrote this key */
  readonly revision: number;
}

export interface Transaction {
  /** Each key must be at that revision; 0 means it must not exist */
  readonly expect?: Readonly<Record<string, number>>;
  readonly put?: Readonly<Record<string, string>>;
  readonly delete?: readonly string[];
}

export interface StateStore {
  get(key: string): Promise<Entry | undefined>;
  /** All entries whose key starts with `prefix`, in key order. */
  list(prefix: string): Promise<readonly Entry[]>;
  /**
   * Applies all of `txn` or nothing, durably, and returns the new revision.
   * @throws FlintlockError `conflict` – a precondition does not hold
   */
  commit(txn: Transaction): Promise<number>;
  close(): Promise<void>;
}
