/** Reads values of unknown shape field by field; what is wrong is named by its path, and never quoted: it may be secret. */
import { invalidField } from "@flintlock/core";

export interface Fields {
  readonly path: string;
  get(name: string): unknown;
  has(name: string): boolean;
}

/** @throws FlintlockError `invalid_spec` – no mapping, or one with a key that is not among `known` */
export const fieldsOf = (value: unknown, path: string, known: readonly string[]): Fields => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalidField(path || "it", `must be a mapping with ${known.join(", ")}`);
  }
  const map = new Map<string, unknown>(Object.entries(value));
  for (const key of map.keys()) {
    if (known.includes(key)) continue;
    // Only what looks like a mistyped field: a secret in the wrong place does not
    const shown = /^[a-z_]{1,24}$/.test(key) ? key : "a key";
    throw invalidField(path === "" ? shown : `${path}.${shown}`, `is not known: use ${known.join(", ")}`);
  }
  // A key with nothing behind it is a key that is not there
  const get = (name: string): unknown => map.get(name) ?? undefined;
  return { path, get, has: (name) => get(name) !== undefined };
};

/** Absent is empty. */
export const listAt = (fields: Fields, name: string, maxLength: number): readonly unknown[] => {
  const value = fields.get(name) ?? [];
  if (!Array.isArray(value)) throw invalidField(at(fields, name), "must be a list");
  if (value.length > maxLength)
    throw invalidField(at(fields, name), `must have at most ${maxLength} entries`);
  return value;
};

export const textAt = (fields: Fields, name: string, maxChars: number): string => {
  const value = fields.get(name);
  if (typeof value !== "string" || value === "" || value.length > maxChars) {
    throw invalidField(at(fields, name), `must be a text of 1 to ${maxChars} characters`);
  }
  return value;
};

export const oneOfAt = <T extends string>(fields: Fields, name: string, allowed: readonly T[]): T => {
  const found = allowed.find((one) => one === fields.get(name));
  if (found === undefined) throw invalidField(at(fields, name), `must be one of ${allowed.join(", ")}`);
  return found;
};

/** Absent is undefined. */
export const wholeAt = (fields: Fields, name: string, min: number): number | undefined => {
  const value = fields.get(name);
  if (value === undefined) return undefined;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min) {
    throw invalidField(at(fields, name), `must be a whole number, ${min} or more`);
  }
  return value;
};

const TIME = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2}))?$/;

/** RFC 3339, or a date, which is its first moment in UTC. In milliseconds since the epoch; absent is undefined. */
export const timeAt = (fields: Fields, name: string): number | undefined => {
  const value = fields.get(name);
  if (value === undefined) return undefined;
  const time = typeof value === "string" && TIME.test(value) ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(time)) {
    throw invalidField(at(fields, name), "must be a time such as 2027-01-31T12:00:00Z, or a date");
  }
  return time;
};

export const at = ({ path }: Fields, name: string): string => (path === "" ? name : `${path}.${name}`);
