/** What the gateway answers: every field that is not `optional` or of a oneof is there, null for a message that is unset. */
import { type DescField, type DescMessage, type JsonObject, ScalarType } from "@bufbuild/protobuf";
import { described, refTo, type Schemas } from "./schemas.ts";

const WELL_KNOWN: Readonly<Record<string, JsonObject>> = {
  "google.protobuf.Timestamp": { type: "string", format: "date-time" },
  "google.protobuf.Duration": { type: "string", pattern: "^-?[0-9]+(?:\\.[0-9]+)?s$" },
  "google.protobuf.Empty": { type: "object", maxProperties: 0 },
};

const SCALARS: Readonly<Partial<Record<ScalarType, JsonObject>>> = {
  [ScalarType.STRING]: { type: "string" },
  [ScalarType.BOOL]: { type: "boolean" },
  [ScalarType.INT32]: { type: "integer", format: "int32" },
  [ScalarType.UINT32]: { type: "integer", minimum: 0, maximum: 2 ** 32 - 1 },
  [ScalarType.UINT64]: { type: "string", pattern: "^[0-9]+$" },
  [ScalarType.DOUBLE]: { type: "number", format: "double" },
  [ScalarType.BYTES]: { type: "string", contentEncoding: "base64" },
};

export const replySchema = (desc: DescMessage, schemas: Schemas): JsonObject => {
  const known = WELL_KNOWN[desc.typeName];
  if (known !== undefined) return known;
  return refTo(desc.typeName, schemas, () => {
    const required = desc.fields.filter(isAlwaysThere).map(({ jsonName }) => jsonName);
    return {
      type: "object",
      ...described(desc.typeName),
      properties: Object.fromEntries(
        desc.fields.map((field) => [
          field.jsonName,
          { ...fieldSchema(field, schemas), ...described(`${desc.typeName}.${field.name}`) },
        ]),
      ),
      ...(required.length === 0 ? {} : { required }),
    };
  });
};

/** To Go `optional` is a oneof of one. */
const isAlwaysThere = (field: DescField): boolean => field.oneof === undefined && !field.proto.proto3Optional;

const fieldSchema = (field: DescField, schemas: Schemas): JsonObject => {
  const value = valueSchema(field, schemas);
  switch (field.fieldKind) {
    case "list":
      return { type: "array", items: value };
    case "map":
      return { type: "object", additionalProperties: value };
    case "message":
      return isAlwaysThere(field) ? { anyOf: [value, { type: "null" }] } : value;
    default:
      return value;
  }
};

const valueSchema = (field: DescField, schemas: Schemas): JsonObject => {
  if (field.message !== undefined) return replySchema(field.message, schemas);
  const { enum: names } = field;
  if (names !== undefined) {
    return refTo(names.typeName, schemas, () => ({
      type: "string",
      enum: names.values.map(({ name }) => name),
      ...described(names.typeName),
    }));
  }
  const scalar = field.scalar === undefined ? undefined : SCALARS[field.scalar];
  if (scalar === undefined) throw new Error(`${field.toString()}: a type that no reply has had yet`);
  return scalar;
};
