/** A difference that is meant: where it may be, what we answer there, and why. One that is nowhere found is an error. */
import { isDeepStrictEqual } from "node:util";
import type { JsonValue } from "@bufbuild/protobuf";
import type { Difference } from "../wire/diff.ts";

export const ABSENT = Symbol("absent");

export interface Justified {
  /** Names of cases; `*` stands for any text, and nothing for all */
  readonly cases?: readonly string[];
  /** As in `Difference`, with `*` */
  readonly path: string;
  /** Our value; a pattern is for texts and for the JSON of the rest */
  readonly ours: JsonValue | RegExp | typeof ABSENT;
  readonly why: string;
}

export const isJustifiedBy = (entry: Justified, caseName: string, difference: Difference): boolean =>
  (entry.cases ?? ["*"]).some((pattern) => matches(pattern, caseName)) &&
  matches(entry.path, difference.path) &&
  isValue(entry.ours, difference.ours);

const matches = (pattern: string, text: string): boolean =>
  new RegExp(`^${pattern.split("*").map(escapeRegExp).join(".*")}$`, "s").test(text);

const escapeRegExp = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");

const isValue = (expected: Justified["ours"], value: JsonValue | undefined): boolean => {
  if (expected === ABSENT) return value === undefined;
  if (value === undefined) return false;
  if (expected instanceof RegExp)
    return expected.test(typeof value === "string" ? value : JSON.stringify(value));
  return isDeepStrictEqual(expected, value);
};
