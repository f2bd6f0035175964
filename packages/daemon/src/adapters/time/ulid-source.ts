import { createHash } from "node:crypto";
import type { IdSource, Uid } from "@flintlock/core";
import { monotonicFactory } from "ulid";

/** ULIDs of this process, monotonic within a millisecond; the random part comes from the system's generator. */
export const ulidSource = (): IdSource => {
  const next = monotonicFactory();
  return {
    uid: () => next() as Uid,
    fingerprint: (text) => createHash("sha256").update(text).digest("base64url"),
  };
};
