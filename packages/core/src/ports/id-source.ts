import type { Uid } from "../domain/units.ts";

export interface IdSource {
  /** A fresh ULID; later calls sort after earlier ones. */
  uid(): Uid;
}
