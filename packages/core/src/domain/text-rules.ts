/** Bounds for free text from callers. */
import { invalidField } from "./errors.ts";

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f]/;

/** Printable text of 1 to `max` characters; newlines and tabs are allowed. */
export const parseText = (text: string, field: string, max: number): string => {
  if (text === "") throw invalidField(field, "must not be empty");
  return parseOptionalText(text, field, max);
};

export const parseOptionalText = (text: string, field: string, max: number): string => {
  if (text.length > max)
    throw invalidField(field, `is ${text.length} characters long; at most ${max} are possible`);
  if (CONTROL.test(text)) throw invalidField(field, "contains control characters");
  return text;
};

/** Path below some root: relative, without empty, `.` or `..` components. */
export const parseRelativePath = (text: string, field: string): string => {
  const path = parseText(text.replace(/^\/+/, ""), field, 4096);
  const parts = path.split("/");
  if (parts.some((part) => part === ".." || part === "." || part === "" || part.length > 255)) {
    throw invalidField(field, "must be a path inside the image, without '..', '.' or empty parts");
  }
  return path;
};

const EMPTY: Readonly<Record<string, string>> = Object.freeze({});

export const parseTextMap = (
  map: Readonly<Record<string, string>>,
  field: string,
  bounds: { readonly maxEntries: number; readonly maxKey: number; readonly maxValue: number },
): Readonly<Record<string, string>> => {
  const entries = Object.entries(map);
  if (entries.length > bounds.maxEntries)
    throw invalidField(field, `at most ${bounds.maxEntries} entries are possible`);
  for (const [key, value] of entries) {
    if (key === "" || key.length > bounds.maxKey || CONTROL.test(key)) {
      throw invalidField(field, `a key must be 1 to ${bounds.maxKey} printable characters`);
    }
    parseOptionalText(value, `${field}[${key}]`, bounds.maxValue);
  }
  // Own properties, so that a key such as __proto__ is a key; and one object for the many maps that are empty.
  return entries.length === 0 ? EMPTY : Object.fromEntries(entries);
};
