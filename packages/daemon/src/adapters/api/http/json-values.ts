/**
 * Values in a JSON body that the decoder would take for others. It drops what it does not know, as grpc-gateway's does; of
 * an enum's name that would silently make the default of it. And it reads numbers in strings as JavaScript does.
 */
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { invalidField } from "@flintlock/core";

/** @throws FlintlockError `invalid_spec` – naming the field and what would be right */
export const refuseMisread = (desc: DescMessage, json: unknown, path = ""): void => {
  if (typeof json !== "object" || json === null || desc.typeName.startsWith("google.protobuf.")) return;
  for (const field of desc.fields) {
    const value = ownValue(json, field.jsonName) ?? ownValue(json, field.name);
    if (value === undefined) continue;
    const at = path === "" ? field.name : `${path}.${field.name}`;
    const items: readonly (readonly [string, unknown])[] =
      field.fieldKind === "list" && Array.isArray(value)
        ? value.map((item, index) => [`${at}[${index}]`, item] as const)
        : [[at, value]];
    for (const [where, item] of items) {
      if (field.message !== undefined && field.fieldKind !== "map") refuseMisread(field.message, item, where);
      if (typeof item === "string") refuseText(field, where, item);
    }
  }
};

const refuseText = (field: DescField, where: string, text: string): void => {
  if (field.enum !== undefined) {
    const names = field.enum.values.map(({ name }) => name);
    if (!names.includes(text))
      throw invalidField(where, `${JSON.stringify(text.slice(0, 40))} is not one of ${names.join(", ")}`);
  }
  if (field.fieldKind === "scalar" && INTEGERS.has(field.scalar) && !JSON_NUMBER.test(text))
    throw invalidField(where, `${JSON.stringify(text.slice(0, 40))} is not a number`);
};

const INTEGERS: ReadonlySet<ScalarType> = new Set([
  ScalarType.INT32,
  ScalarType.INT64,
  ScalarType.UINT32,
  ScalarType.UINT64,
]);
const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

const ownValue = (json: object, key: string): unknown =>
  Object.hasOwn(json, key) ? (json as Readonly<Record<string, unknown>>)[key] : undefined;
