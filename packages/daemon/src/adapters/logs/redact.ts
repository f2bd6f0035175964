/**
 * Makes fields fit to be logged: secrets out, errors in words, everything bounded. Keys decide, and for text that quotes a
 * header or an address with a password, its form. Whoever logs should not log secrets; this is for when he does.
 */
import type { LogFields } from "@flintlock/core";

const HIDDEN = "[redacted]";
/** Values under these keys are hidden. */
const SECRET_KEY =
  /authorization|token|passw(or)?d|secret|cookie|credential|api[-_]?key|private[-_]?key|user[-_]?data/i;
/** Of these the keys are told, the values are not. */
const SECRET_VALUES_KEY = /^(metadata|meta[-_]?data|env|environment|headers)$/i;
/** `Basic dXNlcg==`, `Bearer eyJ…`; not the words "basic authentication" */
const CREDENTIALS = /\b(Basic|Bearer)\s+(?!authentication\b)[A-Za-z0-9+/=._~-]{4,}/gi;
/** `https://user:password@host` */
const USER_INFO = /\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@]+@/gi;

const MAX_DEPTH = 6;
const MAX_ENTRIES = 200;
const MAX_TEXT = 8_192;

export const redactFields = (fields: LogFields): LogFields => {
  const result: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fields).slice(0, MAX_ENTRIES)) {
    if (value === undefined) continue;
    // COMPAT: logrus, too, moves a field out of the way of its own.
    const name = key === "level" || key === "time" || key === "msg" ? `fields.${key}` : key;
    result[name] = redactValue(key, value, 0);
    // A stack is for bugs: ours say what is wrong without.
    if (value instanceof Error && !("code" in value)) result["stack"] = redactText(value.stack ?? "");
  }
  return result;
};

export const redactText = (text: string): string => {
  const cut = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}\u2026` : text;
  return cut.replaceAll(CREDENTIALS, `$1 ${HIDDEN}`).replaceAll(USER_INFO, `$1${HIDDEN}@`);
};

const redactValue = (key: string, value: unknown, depth: number): unknown => {
  if (SECRET_KEY.test(key)) return HIDDEN;
  if (SECRET_VALUES_KEY.test(key)) return hideValues(value);
  return plain(value, depth);
};

const plain = (value: unknown, depth: number): unknown => {
  if (typeof value === "string") return redactText(value);
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "function" || typeof value === "symbol") return String(value.toString()).slice(0, 80);
  if (typeof value !== "object" || value === null) return value;
  if (depth >= MAX_DEPTH) return "\u2026";
  if (value instanceof Error) return errorText(value);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "invalid date" : value.toISOString();
  if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`;
  if (Array.isArray(value)) return value.slice(0, MAX_ENTRIES).map((each) => plain(each, depth + 1));
  if (value instanceof Set) return plain([...value], depth);
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  return Object.fromEntries(
    entries
      .slice(0, MAX_ENTRIES)
      .map(([key, each]) => [String(key), redactValue(String(key), each, depth + 1)]),
  );
};

const hideValues = (value: unknown): unknown => {
  if (value instanceof Map) return Object.fromEntries([...value.keys()].map((key) => [String(key), HIDDEN]));
  if (typeof value !== "object" || value === null || Array.isArray(value)) return HIDDEN;
  return Object.fromEntries(Object.keys(value).map((key) => [key, HIDDEN]));
};

const errorText = (error: Error): string => {
  let text = error.message;
  for (
    let cause = error.cause, depth = 0;
    cause instanceof Error && depth < 4;
    cause = cause.cause, depth++
  ) {
    if (!text.includes(cause.message)) text += `: ${cause.message}`;
  }
  return redactText(text);
};
