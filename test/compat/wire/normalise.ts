/** Takes from an answer what is different each time, and leaves a word in its place. */
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import type { Answer } from "./case.ts";

const MAX_TEXT_CHARS = 2_000;
const ULID = /\b[0-9A-HJKMNP-TV-Z]{26}\b/g;
const TIME = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g;

export const normalised = (answer: Answer, isMoving: boolean): Answer => {
  const plain = replaced(answer as unknown as JsonValue) as Answer;
  return isMoving && plain.body !== undefined ? { ...plain, body: settled(plain.body) } : plain;
};

const replaced = (value: JsonValue): JsonValue => {
  if (typeof value === "string") {
    if (value.length > MAX_TEXT_CHARS) return `<${value.length} characters>`;
    // Go's protobuf library puts a no-break space into its errors, or not, as it pleases.
    return value
      .replace(/\u00a0/g, " ")
      .replace(ULID, "<uid>")
      .replace(TIME, "<time>");
  }
  if (Array.isArray(value)) return value.map(replaced);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, inner]): [string, JsonValue] =>
    key === "meta-data" && typeof inner === "string"
      ? [key, replaced(Buffer.from(inner, "base64").toString())]
      : [replaced(key) as string, replaced(inner)],
  );
  // Maps have no order.
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
};

const MOVES = "<moves>";

/** A record that is being worked on: `version`, `spec.updatedAt` and all of `status` but its presence. */
const settled = (value: JsonValue): JsonValue => {
  if (Array.isArray(value)) return value.map(settled).sort(byId);
  if (typeof value !== "object" || value === null) return value;
  if (!("spec" in value && "status" in value)) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, settled(inner)]));
  }
  return { ...value, version: MOVES, status: MOVES };
};

/** Upstream's lists have no order. */
const byId = (a: JsonValue, b: JsonValue): number => (idOf(a) < idOf(b) ? -1 : 1);

const idOf = (value: JsonValue): string => {
  const vm = value as {
    readonly spec?: JsonObject;
    readonly result?: { readonly microvm?: { spec?: JsonObject } };
  };
  return String((vm.spec ?? vm.result?.microvm?.spec)?.["id"] ?? "");
};
