/** Bounds for free text from callers. */
import { invalidField } from "./errors.ts";
import type { TextRule } from "./field-rule.ts";
import { parseEach } from "./violations.ts";

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f]/;

/** Text that fits its rule's lengths and pattern. */
export const parseForm = (text: string, field: string, rule: TextRule): string => {
  const isFit =
    text.length >= (rule.minLength ?? 0) &&
    text.length <= rule.maxLength &&
    (rule.pattern === undefined || rule.pattern.test(text));
  if (isFit) return text;
  throw invalidField(field, `must be ${lengthOf(rule)}${rule.form ?? "characters"}${shown(text)}`);
};

const lengthOf = ({ minLength = 0, maxLength, form = "" }: TextRule): string => {
  // "an absolute path …" says all there is to say, but for a length that nobody meets by accident.
  if (/^an? |^the |^user /.test(form)) return "";
  if (minLength === maxLength) return `${maxLength} `;
  return minLength === 0 ? `at most ${maxLength} ` : `${minLength} to ${maxLength} `;
};

const MAX_SHOWN = 40;

const shown = (text: string): string => {
  if (text === "") return "; it is empty";
  if (text.length > MAX_SHOWN) return `; it is ${text.length} characters long, ${quoted(text)}`;
  return `, not ${quoted(text)}`;
};

/** What a caller sent, short and on one line. */
export const quoted = (text: string): string =>
  JSON.stringify(text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text);

/** Printable text; newlines and tabs are allowed. */
export const parseText = (text: string, field: string, { minLength = 0, maxLength }: TextRule): string => {
  if (text === "" && minLength > 0) throw invalidField(field, "must not be empty");
  if (text.length > maxLength)
    throw invalidField(field, `is ${text.length} characters long; at most ${maxLength} are possible`);
  if (CONTROL.test(text)) throw invalidField(field, "contains control characters");
  return text;
};

/** Path below some root: relative, without empty, `.` or `..` components. */
export const parseRelativePath = (
  text: string,
  field: string,
  rule: TextRule & { readonly form: string },
): string => {
  const path = parseText(text.replace(/^\/+/, ""), field, rule);
  const parts = path.split("/");
  if (parts.some((part) => part === ".." || part === "." || part === "" || part.length > 255)) {
    throw invalidField(field, `must be ${rule.form}`);
  }
  return path;
};

export interface MapRule {
  readonly maxItems: number;
  readonly key: TextRule;
  readonly value: TextRule;
  readonly maxTotal?: number;
}

const EMPTY: Readonly<Record<string, string>> = Object.freeze({});

/** A map whose keys and values fit; a refusal repeats no value, for some are secrets. */
export const parseTextMap = (
  map: Readonly<Record<string, string>>,
  field: string,
  rule: MapRule,
  parseValue: (text: string, field: string, rule: TextRule) => string = parseFreeText,
): Readonly<Record<string, string>> => {
  const entries = Object.entries(map);
  // One object for the many maps that are empty.
  if (entries.length === 0) return EMPTY;
  if (entries.length > rule.maxItems)
    throw invalidField(field, `has ${entries.length} entries; at most ${rule.maxItems} are possible`);
  const total = entries.reduce((sum, [key, value]) => sum + key.length + value.length, 0);
  if (total > (rule.maxTotal ?? Number.POSITIVE_INFINITY))
    throw invalidField(field, `is ${total} characters long; at most ${rule.maxTotal} are possible`);
  const parsed = parseEach(entries, ([key, value]) => {
    parseKey(key, field, rule.key);
    return [key, parseValue(value, `${field}[${key}]`, rule.value)] as const;
  });
  // Own properties, so that a key such as __proto__ is a key.
  return Object.fromEntries(parsed);
};

const parseKey = (key: string, field: string, rule: TextRule): void => {
  if (key.length <= rule.maxLength && !CONTROL.test(key) && key !== "") {
    if (rule.pattern === undefined || rule.pattern.test(key)) return;
  }
  const form = rule.form ?? "printable characters";
  throw invalidField(field, `the key ${quoted(key)} must be 1 to ${rule.maxLength} ${form}`);
};

const parseFreeText = (text: string, field: string, rule: TextRule): string => {
  parseText(text, field, rule);
  if (rule.pattern === undefined || rule.pattern.test(text)) return text;
  throw invalidField(field, `must be at most ${rule.maxLength} ${rule.form ?? "characters"}`);
};

/** In bytes. */
export const utf8Length = (text: string): number => {
  let length = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    length += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return length;
};
