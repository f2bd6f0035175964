import type { Uid } from "../domain/units.ts";

export interface IdSource {
  /** A fresh ULID; later calls sort after earlier ones. */
  uid(): Uid;
  /** The same for the same text, and, but for an accident nobody will see, for no other: a cryptographic hash. */
  fingerprint(text: string): string;
}
