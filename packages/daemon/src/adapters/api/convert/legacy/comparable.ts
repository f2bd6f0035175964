/** Specs of the first API as JSON in which what means the same is written the same. */
import { type JsonObject, type JsonValue, toJson } from "@bufbuild/protobuf";
import { legacyTypes } from "@flintlock/api";
import { ROOT_MOUNT_POINT } from "./create-input.ts";

/** By proto names; fields that are absent, empty or zero are left out. */
export type Comparable = Readonly<JsonObject>;

/** The root comes first, with its mount point; MAC addresses are in lower case. Maps stay as they are. */
export const comparableSpec = (spec: legacyTypes.MicroVMSpec): Comparable => {
  const volumes = spec.volumes.map((volume) =>
    volume.isRoot ? { ...volume, mountPoint: volume.mountPoint || ROOT_MOUNT_POINT } : volume,
  );
  const rewritten = {
    ...spec,
    // A client's own may be none that JSON can say
    createdAt: undefined,
    updatedAt: undefined,
    deletedAt: undefined,
    volumes: [...volumes.filter(({ isRoot }) => isRoot), ...volumes.filter(({ isRoot }) => !isRoot)],
    interfaces: spec.interfaces.map((iface) => ({ ...iface, guestMac: iface.guestMac?.toLowerCase() ?? "" })),
  };
  const json = toJson(legacyTypes.MicroVMSpecSchema, rewritten, { useProtoFieldName: true });
  return Object.fromEntries(
    Object.entries(isObject(json) ? json : {}).flatMap(([name, value]) => {
      const kept = MAPS.has(name) ? value : withoutEmpty(value);
      return kept === undefined ? [] : [[name, kept]];
    }),
  );
};

const MAPS = new Set(["labels", "metadata"]);

/** What is at a path such as `kernel.image`; undefined where there is nothing. */
export const valueAt = (json: Comparable, path: string): JsonValue | undefined => {
  let value: JsonValue | undefined = json;
  for (const name of path.split(".")) {
    value = isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
  }
  return value;
};

/** Keys in any order. */
export const isSameValue = (a: JsonValue | undefined, b: JsonValue | undefined): boolean =>
  sortedText(a) === sortedText(b);

const sortedText = (value: JsonValue | undefined): string =>
  JSON.stringify(value ?? null, (_, item: JsonValue) =>
    isObject(item) ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1))) : item,
  );

const withoutEmpty = (value: JsonValue | undefined): JsonValue | undefined => {
  if (Array.isArray(value))
    return value.length === 0 ? undefined : value.map((item) => withoutEmpty(item) ?? {});
  if (!isObject(value)) return value === "" || value === 0 || value === false ? undefined : value;
  const kept = Object.entries(value).flatMap(([key, item]) => {
    const stripped = withoutEmpty(item);
    return stripped === undefined ? [] : [[key, stripped] as const];
  });
  return kept.length === 0 ? undefined : Object.fromEntries(kept);
};

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);
