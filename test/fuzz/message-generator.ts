/** Messages of any descriptor, as JSON: mostly plausible, with hostile values where a parser might stumble. */
import {
  type DescField,
  type DescMessage,
  type JsonObject,
  type JsonValue,
  ScalarType,
} from "@bufbuild/protobuf";
import type { Random } from "./random.ts";

const HOSTILE_TEXTS = [
  "",
  " ",
  "\u0000",
  "../../etc/passwd",
  "/",
  "a/b@c",
  "%2e%2e%2f",
  "$(reboot)",
  "';drop table vms;--",
  "\ud800",
  "\u202eevil",
  "__proto__",
  "constructor",
  "9".repeat(400),
  "x".repeat(5_000),
  "ü".repeat(64),
  "\r\nX-Injected: 1",
  "-1",
  "1e309",
  "NaN",
  "AA:FF:00:00:00:01",
  "ff:ff:ff:ff:ff:ff",
  "10.0.0.1/33",
  "::1/128",
  "169.254.0.1/16",
  "docker.io/library/alpine@sha256:0",
  "fuzz://",
];
const PLAUSIBLE_TEXTS = [
  "web",
  "default",
  "shop",
  "eth1",
  "root",
  "data",
  "boot/vmlinux",
  "registry.test/kernel:1",
  "registry.test/os:1",
  "10.0.0.2/24",
  "10.0.0.1",
  "02:00:00:00:00:01",
  "eA==",
  "running",
  "simulated",
  "tcp",
  "/data",
];
const NUMBERS = [0, 1, 2, 3, 64, 65, 80, 1024, 32_768, 65_535, 65_536, -1, 2 ** 31 - 1, -(2 ** 31)];
const MAX_DEPTH = 6;

export interface Generator {
  message(desc: DescMessage): JsonObject;
}

/** `known`: values the daemon has, such as uids; used now and then where text is wanted. */
export const createGenerator = (random: Random, known: () => readonly string[]): Generator => {
  const text = (): string => {
    const uids = known();
    if (uids.length > 0 && random.chance(0.25)) return random.pick(uids);
    return random.pick(random.chance(0.25) ? HOSTILE_TEXTS : PLAUSIBLE_TEXTS);
  };

  const scalar = (type: ScalarType): JsonValue => {
    switch (type) {
      case ScalarType.STRING:
        return text();
      case ScalarType.BOOL:
        return random.chance(0.5);
      case ScalarType.BYTES:
        return Buffer.from(text()).toString("base64");
      case ScalarType.UINT32:
      case ScalarType.UINT64:
        return Math.abs(random.pick(NUMBERS));
      default:
        return random.pick(NUMBERS);
    }
  };

  const single = (field: DescField, depth: number): JsonValue => {
    if (field.message !== undefined) return message(field.message, depth + 1);
    // An enum's unknown numbers are kept by decoders
    if (field.enum !== undefined)
      return random.chance(0.1) ? random.pick(NUMBERS) : random.pick(field.enum.values).number;
    return scalar(field.scalar ?? ScalarType.STRING);
  };

  const listLength = (): number => (random.chance(0.02) ? 70 : random.below(3));

  const fieldValue = (field: DescField, depth: number): JsonValue => {
    if (field.fieldKind === "list") return Array.from({ length: listLength() }, () => single(field, depth));
    if (field.fieldKind !== "map") return single(field, depth);
    const entries = Array.from({ length: listLength() }, () => [text(), single(field, depth)] as const);
    return Object.fromEntries(entries);
  };

  const message = (desc: DescMessage, depth: number): JsonObject => {
    if (desc.typeName === "google.protobuf.Timestamp") return "2026-01-01T00:00:00Z" as unknown as JsonObject;
    if (desc.typeName === "google.protobuf.Duration") return "1s" as unknown as JsonObject;
    if (desc.typeName.startsWith("google.protobuf.")) return {};
    const json: JsonObject = Object.create(null);
    const oneofs = new Set<string>();
    for (const field of desc.fields) {
      if (depth > MAX_DEPTH || !random.chance(0.7)) continue;
      if (field.oneof !== undefined && oneofs.has(field.oneof.name)) continue;
      if (field.oneof !== undefined) oneofs.add(field.oneof.name);
      json[field.jsonName] = fieldValue(field, depth);
    }
    return json;
  };

  return { message: (desc) => message(desc, 0) };
};
