/**
 * Names of enum values in JSON. The decoder drops what it does not know, as grpc-gateway's does; of an enum's name that
 * would silently make the default of it, so those are refused first.
 */
import type { DescMessage } from "@bufbuild/protobuf";
import { invalidField } from "@flintlock/core";

/** @throws FlintlockError `invalid_spec` – naming the field and the values there are */
export const refuseUnknownEnums = (desc: DescMessage, json: unknown, path = ""): void => {
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
      if (field.message !== undefined && field.fieldKind !== "map")
        refuseUnknownEnums(field.message, item, where);
      if (field.enum === undefined || typeof item !== "string") continue;
      const names = field.enum.values.map(({ name }) => name);
      if (!names.includes(item))
        throw invalidField(where, `${JSON.stringify(item.slice(0, 40))} is not one of ${names.join(", ")}`);
    }
  }
};

const ownValue = (json: object, key: string): unknown =>
  Object.hasOwn(json, key) ? (json as Readonly<Record<string, unknown>>)[key] : undefined;
