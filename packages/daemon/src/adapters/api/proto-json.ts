/** protojson as grpc-gateway is set up: unpopulated fields out, unknown fields in are dropped. */

import type { Message } from "@bufbuild/protobuf";
import {
  type DescField,
  type DescMessage,
  type JsonObject,
  type JsonValue,
  toJson,
} from "@bufbuild/protobuf";

/**
 * Canonical JSON with every field but unset `optional` and oneof ones; message fields that are unset are `null`,
 * which protobuf-es leaves out and Go's `EmitUnpopulated` does not.
 */
export const toProtoJson = (desc: DescMessage, message: Message): JsonValue => {
  const json = toJson(desc, message, { alwaysEmitImplicit: true });
  addNulls(desc, json);
  return json;
};

const addNulls = (desc: DescMessage, json: JsonValue | undefined): void => {
  if (!isObject(json) || desc.typeName.startsWith("google.protobuf.")) return;
  for (const field of desc.fields) {
    if (field.message === undefined) continue;
    const value = json[field.jsonName];
    if (field.fieldKind === "message") {
      if (value !== undefined) addNulls(field.message, value);
      else if (isPlain(field)) json[field.jsonName] = null;
    } else if (Array.isArray(value)) {
      for (const item of value) addNulls(field.message, item);
    } else if (isObject(value)) {
      for (const item of Object.values(value)) addNulls(field.message, item);
    }
  }
};

/** `optional` is a oneof of one to Go, and members of a oneof are never null. */
const isPlain = (field: DescField): boolean => field.oneof === undefined && !field.proto.proto3Optional;

const isObject = (json: JsonValue | undefined): json is JsonObject =>
  typeof json === "object" && json !== null && !Array.isArray(json);
