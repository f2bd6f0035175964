/**
 * Query parameters and path parameters as a JSON object for the request message, by grpc-gateway's rules: fields
 * by proto or JSON name, nested with dots, repeated by repetition, maps as `labels[key]=value`; names that the
 * message does not have are ignored.
 */
import {
  type DescField,
  type DescMessage,
  type JsonObject,
  type JsonValue,
  ScalarType,
} from "@bufbuild/protobuf";
import { invalidField } from "@flintlock/core";

const MAX_PARAMETERS = 1_000;

/** @throws FlintlockError `invalid_spec` – a value does not fit its field; `isTaken` names are skipped */
export const queryToJson = (
  desc: DescMessage,
  query: URLSearchParams,
  isTaken: (fieldName: string) => boolean,
): JsonObject => {
  if (query.size > MAX_PARAMETERS)
    throw invalidField("query", `must have at most ${MAX_PARAMETERS} parameters`);
  const json: JsonObject = Object.create(null);
  for (const name of new Set(query.keys())) {
    const [path, mapKey] = splitMapKey(name);
    const first = findField(desc, path.split(".")[0] ?? "");
    if (first === undefined || isTaken(first.name)) continue;
    setPath({ desc, json, path, mapKey }, query.getAll(name));
  }
  return json;
};

/** @throws FlintlockError `invalid_spec` – a value does not fit its field */
export const paramsToJson = (desc: DescMessage, params: Readonly<Record<string, string>>): JsonObject => {
  const json: JsonObject = Object.create(null);
  for (const [path, value] of Object.entries(params))
    setPath({ desc, json, path, mapKey: undefined }, [value]);
  return json;
};

interface Place {
  readonly desc: DescMessage;
  readonly json: JsonObject;
  readonly path: string;
  readonly mapKey: string | undefined;
}

const splitMapKey = (name: string): readonly [path: string, mapKey: string | undefined] => {
  const [, path, mapKey] = /^([^[]*)\[(.*)\]$/s.exec(name) ?? [];
  return path === undefined ? [name, undefined] : [path, mapKey];
};

const findField = (desc: DescMessage, name: string): DescField | undefined =>
  desc.fields.find((field) => field.name === name || field.jsonName === name);

const setPath = ({ desc, json, path, mapKey }: Place, values: readonly string[]): void => {
  const [name = "", ...rest] = path.split(".");
  const field = findField(desc, name);
  if (field === undefined) return;
  if (rest.length > 0) {
    if (field.fieldKind !== "message") return;
    const nested = objectAt(json, field.jsonName);
    setPath({ desc: field.message, json: nested, path: rest.join("."), mapKey }, values);
    return;
  }
  switch (field.fieldKind) {
    case "map": {
      if (mapKey === undefined || field.mapKind !== "scalar") return;
      objectAt(json, field.jsonName)[mapKey] = scalarJson(path, field.scalar, single(path, values));
      return;
    }
    case "list":
      if (field.listKind === "message") return;
      json[field.jsonName] = values.map((value) => itemJson(path, field, value));
      return;
    case "scalar":
    case "enum":
      json[field.jsonName] = itemJson(path, field, single(path, values));
      return;
    case "message":
      // Only messages with a JSON string of their own, such as Timestamp, have a form in a query
      if (field.message.typeName.startsWith("google.protobuf.")) json[field.jsonName] = single(path, values);
  }
};

/** Without a prototype, as map keys are the client's. */
const objectAt = (json: JsonObject, name: string): JsonObject => {
  const known = json[name];
  if (typeof known === "object" && known !== null && !Array.isArray(known)) return known;
  const made: JsonObject = Object.create(null);
  json[name] = made;
  return made;
};

const single = (path: string, values: readonly string[]): string => {
  if (values.length > 1) throw invalidField(path, "takes one value, not several");
  return values[0] ?? "";
};

const itemJson = (path: string, field: DescField, text: string): JsonValue => {
  if (field.scalar !== undefined) return scalarJson(path, field.scalar, text);
  if (field.enum === undefined) return text;
  if (/^-?\d{1,10}$/.test(text)) return Number(text);
  if (field.enum.values.some(({ name }) => name === text)) return text;
  throw invalidField(path, `must be one of ${field.enum.values.map(({ name }) => name).join(", ")}`);
};

/** What Go's strconv.ParseBool takes. */
const BOOLS: Readonly<Record<string, boolean>> = Object.assign(Object.create(null), {
  ...Object.fromEntries(["1", "t", "T", "true", "TRUE", "True"].map((text) => [text, true])),
  ...Object.fromEntries(["0", "f", "F", "false", "FALSE", "False"].map((text) => [text, false])),
});

/** JSON takes numbers as strings too; only booleans need their own words. */
const scalarJson = (path: string, scalar: ScalarType, text: string): JsonValue => {
  if (scalar !== ScalarType.BOOL) return text;
  const bool = BOOLS[text];
  if (bool === undefined) throw invalidField(path, "must be true or false");
  return bool;
};
