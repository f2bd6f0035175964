/**
 * Query parameters and path parameters as a JSON object for the request message, by grpc-gateway's rules: fields
 * by proto or JSON name, nested with dots, repeated by repetition, maps as `labels[key]=value`; names that the
 * message does not have are ignored, and what does not fit a field that it has is refused.
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
    setPath({ desc, json, path }, [...mapKey, ...query.getAll(name)]);
  }
  return json;
};

/** @throws FlintlockError `invalid_spec` – a value does not fit its field */
export const paramsToJson = (desc: DescMessage, params: Readonly<Record<string, string>>): JsonObject => {
  const json: JsonObject = Object.create(null);
  for (const [path, value] of Object.entries(params)) setPath({ desc, json, path }, [value]);
  return json;
};

interface Place {
  readonly desc: DescMessage;
  readonly json: JsonObject;
  readonly path: string;
}

/** To grpc-gateway the key in brackets is one more value, before the others. */
const splitMapKey = (name: string): readonly [path: string, mapKey: readonly string[]] => {
  const [, path, mapKey] = /^(.*)\[(.*)\]$/s.exec(name) ?? [];
  return path === undefined || mapKey === undefined ? [name, []] : [path, [mapKey]];
};

const findField = (desc: DescMessage, name: string): DescField | undefined =>
  desc.fields.find((field) => field.name === name || field.jsonName === name);

const setPath = ({ desc, json, path }: Place, values: readonly string[]): void => {
  const [name = "", ...rest] = path.split(".");
  const field = findField(desc, name);
  if (field === undefined) return;
  if (rest.length > 0) {
    if (field.fieldKind !== "message") throw invalidField(path, `${name} is not a message`);
    setPath({ desc: field.message, json: objectAt(json, field.jsonName), path: rest.join(".") }, values);
    return;
  }
  switch (field.fieldKind) {
    case "map": {
      const [key, value, ...more] = values;
      if (key === undefined || value === undefined || more.length > 0)
        throw invalidField(path, `takes one value for each key, as ${path}[key]=value`);
      if (field.mapKind !== "scalar") throw invalidField(path, NOT_HERE);
      objectAt(json, field.jsonName)[key] = scalarJson(path, field.scalar, value);
      return;
    }
    case "list":
      if (field.listKind === "message") throw invalidField(path, NOT_HERE);
      json[field.jsonName] = values.map((value) => itemJson(path, field, value));
      return;
    case "scalar":
    case "enum":
      json[field.jsonName] = itemJson(path, field, single(path, values));
      return;
    case "message":
      // Only messages with a JSON string of their own, such as Timestamp, have a form in a query
      if (!field.message.typeName.startsWith("google.protobuf.")) throw invalidField(path, NOT_HERE);
      json[field.jsonName] = wellKnownText(field.message.typeName, single(path, values));
  }
};

/** A mask has proto names in a query, as in gRPC, and JSON's in JSON. */
const wellKnownText = (typeName: string, text: string): string =>
  typeName === "google.protobuf.FieldMask"
    ? text.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
    : text;

const NOT_HERE = "cannot be given in a query";

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
  const value = field.enum.values.find(({ name, number }) => name === text || String(number) === text);
  if (value !== undefined) return value.name;
  throw invalidField(path, `must be one of ${field.enum.values.map(({ name }) => name).join(", ")}`);
};

/** What Go's strconv.ParseBool takes. */
const BOOLS: Readonly<Record<string, boolean>> = Object.assign(Object.create(null), {
  ...Object.fromEntries(["1", "t", "T", "true", "TRUE", "True"].map((text) => [text, true])),
  ...Object.fromEntries(["0", "f", "F", "false", "FALSE", "False"].map((text) => [text, false])),
});

/** What Go's strconv.ParseInt and ParseUint take; JSON's decoder then looks at the range. */
const WHOLE: Readonly<Partial<Record<ScalarType, RegExp>>> = {
  [ScalarType.INT32]: /^[+-]?\d+$/,
  [ScalarType.INT64]: /^[+-]?\d+$/,
  [ScalarType.UINT32]: /^\d+$/,
  [ScalarType.UINT64]: /^\d+$/,
};

/** JSON takes numbers as strings too; only booleans need their own words. */
const scalarJson = (path: string, scalar: ScalarType, text: string): JsonValue => {
  if (WHOLE[scalar]?.test(text) === false) throw invalidField(path, "must be a whole number");
  if (scalar !== ScalarType.BOOL) return text;
  const bool = BOOLS[text];
  if (bool === undefined) throw invalidField(path, "must be true or false");
  return bool;
};
