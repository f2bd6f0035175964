/**
 * An ordered key-value store with atomic, conditional transactions and a journal of them: the shape that LevelDB
 * (embedded) and etcd (fleet) share. To etcd the journal is the history of one key.
 *
 * INVARIANTS: revisions rise by one per committed transaction; a resolved `commit` is durable; commits resolve in the
 * order of their revisions; a transaction whose preconditions fail changes nothing; whoever has read the journal up to a
 * revision never finds an entry of that or an earlier one later.
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
  /** Added to the journal, with the revision that the transaction gets */
  readonly append?: string;
}

export interface JournalEntry {
  readonly revision: number;
  readonly value: string;
}

/** What the journal can tell: all that was appended after `after`, up to `last`. */
export interface JournalExtent {
  readonly after: number;
  /** The newest durable revision */
  readonly last: number;
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
  extent(): Promise<JournalExtent>;
  /**
   * The first `limit` entries after a revision, in order; none when there are none yet.
   * @throws FlintlockError `out_of_range` – some of them are forgotten
   */
  journal(after: number, limit: number): Promise<readonly JournalEntry[]>;
  /** Drops the journal's entries up to `revision`; readers that have not come so far are told so from now on. */
  forget(revision: number): Promise<void>;
  close(): Promise<void>;
}
