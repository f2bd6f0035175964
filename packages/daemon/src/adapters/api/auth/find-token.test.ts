import { timingSafeEqual } from "node:crypto";
import { LOCAL_CALLER } from "@flintlock/core";
import { expect, test } from "vitest";
import { findToken, tokenDigest } from "./find-token.ts";

const entries = ["first", "second", "third"].map((name) => ({
  digest: tokenDigest(`token-of-${name}`),
  caller: { ...LOCAL_CALLER, name },
  notAfter: undefined,
}));

test("every entry is compared by digest, whichever it is, and when it is none", () => {
  for (const token of [
    "token-of-first",
    "token-of-second",
    "token-of-third",
    "",
    "wrong",
    "x".repeat(10_000),
  ]) {
    const compared: number[] = [];
    const found = findToken(entries, Buffer.from(token), (a, b) => {
      compared.push(b.byteLength);
      return timingSafeEqual(a, b);
    });
    expect(compared).toEqual([32, 32, 32]);
    expect(found?.caller.name).toBe(/^token-of-(.*)$/.exec(token)?.[1]);
  }
});
