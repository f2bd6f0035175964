/** Reading JSON that a registry, an archive or a file on disk claims: each look names what it looked for. */
import { FlintlockError } from "@flintlock/core";

const MAX_SHOWN = 120;

export type JsonObject = Readonly<Record<string, unknown>>;

export const badData = (problem: string, cause?: unknown): FlintlockError =>
  new FlintlockError("data_loss", problem, { cause });

/** Foreign words made fit for a message: one line, short, no control characters. */
export const shown = (text: string): string => {
  const line = text.replace(/\p{Cc}+/gu, " ").trim();
  return line.length > MAX_SHOWN ? `${line.slice(0, MAX_SHOWN)}…` : line;
};

/** @throws FlintlockError `data_loss` – not UTF-8 or not JSON */
export const parseJson = (bytes: Uint8Array, what: string): unknown => {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw badData(`${what} is not JSON`, cause);
  }
};

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export const objectOf = (value: unknown, what: string): JsonObject => {
  if (!isObject(value)) throw badData(`${what} is not a JSON object`);
  return value;
};

/** An array of at most `max` items; absent and null are empty, as Go writes it. */
export const arrayOf = (value: unknown, max: number, what: string): readonly unknown[] => {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw badData(`${what} is not a list`);
  if (value.length > max) throw badData(`${what} has ${value.length} items, over the limit of ${max}`);
  return value;
};

/** A string of at most `max` characters; absent and null are empty. */
export const stringOf = (value: unknown, max: number, what: string): string => {
  if (value === undefined || value === null) return "";
  if (typeof value !== "string") throw badData(`${what} is not a string`);
  if (value.length > max) throw badData(`${what} is over ${max} characters long`);
  return value;
};

/** String values by key, at most `maxItems`; absent and null are empty. */
export const stringMapOf = (
  value: unknown,
  limits: { readonly maxItems: number; readonly maxLength: number },
  what: string,
): Readonly<Record<string, string>> => {
  if (value === undefined || value === null) return {};
  const entries = Object.entries(objectOf(value, what));
  if (entries.length > limits.maxItems) throw badData(`${what} has more than ${limits.maxItems} entries`);
  // fromEntries defines own properties, so a key such as `__proto__` stays a key.
  return Object.fromEntries(entries.map(([key, item]) => [key, stringOf(item, limits.maxLength, what)]));
};
