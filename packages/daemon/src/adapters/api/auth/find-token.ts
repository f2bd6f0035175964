import { createHash, timingSafeEqual } from "node:crypto";
import type { TokenEntry } from "./access-rules.ts";

export const tokenDigest = (token: string | Buffer): Buffer => createHash("sha256").update(token).digest();

/**
 * The entry that `token` belongs to. Takes the same time whichever it is, and when it is none: every entry is looked at,
 * and digests are compared, whose bytes an attacker cannot choose.
 */
export const findToken = (
  entries: readonly TokenEntry[],
  token: Buffer,
  isEqual: (a: Buffer, b: Buffer) => boolean = timingSafeEqual,
): TokenEntry | undefined => {
  const digest = tokenDigest(token);
  let found: TokenEntry | undefined;
  for (const entry of entries) if (isEqual(entry.digest, digest)) found = entry;
  return found;
};
