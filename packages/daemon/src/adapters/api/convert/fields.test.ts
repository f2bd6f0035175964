/** The table of rules against the protos, the parsers and the conversions. */
import { type DescField, type DescMessage, type JsonObject, toJson } from "@bufbuild/protobuf";
import { ext, types } from "@flintlock/api";
import {
  FlintlockError,
  MICROVM_FIELDS,
  type MicroVM,
  parseSpec,
  REQUEST_FIELD_RULES,
  ruleOf,
  SPEC_FIELD_RULES,
  type SpecLimits,
  type TextRule,
} from "@flintlock/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { rule, specs } from "../testing/arbitrary-specs.ts";
import { sampleMicroVM } from "../testing/sample-microvm.ts";
import { createInputOf } from "./create-input.ts";
import { wireMicroVM } from "./microvm.ts";

const LIMITS: SpecLimits = {
  maxVcpu: MICROVM_FIELDS.vcpu.max,
  maxMemoryMib: MICROVM_FIELDS.memory_in_mb.max,
  providers: ["qemu"],
  defaultProvider: "qemu",
  bundledKernel: "flintlock.local/kernel:latest",
  bundledRoot: "flintlock.local/busybox:latest",
};

/** Paths of a message's fields, as the table names them. */
const pathsOf = (message: DescMessage, prefix = ""): readonly string[] =>
  message.fields.flatMap((field) => {
    const path = `${prefix}${field.name}`;
    const inner = messageOf(field);
    if (inner === undefined) return [path];
    return [path, ...pathsOf(inner, field.fieldKind === "list" ? `${path}[].` : `${path}.`)];
  });

const messageOf = (field: DescField): DescMessage | undefined => {
  const inner = field.fieldKind === "message" || field.fieldKind === "list" ? field.message : undefined;
  return inner?.typeName.startsWith("google.") ? undefined : inner;
};

test("every field of the protos has a rule, and every rule a field", () => {
  expect(Object.keys(SPEC_FIELD_RULES).sort()).toEqual([...pathsOf(types.MicroVMSpecSchema)].sort());
  const request = pathsOf(ext.CreateRequestSchema).filter((path) => !/^microvm\b/.test(path));
  expect(Object.keys(REQUEST_FIELD_RULES).sort()).toEqual([...request].sort());
});

test("the rule of a path is found as errors name it", () => {
  expect(ruleOf("interfaces[3].device_id")).toBe(SPEC_FIELD_RULES["interfaces[].device_id"]);
  expect(ruleOf("metadata[user-data]")).toBe(SPEC_FIELD_RULES["metadata"]);
  expect(ruleOf("interfaces[0].address.nameservers[1]")?.type).toBe("list");
  expect(ruleOf("nonsense")).toBe(undefined);
});

const accepted = (spec: types.MicroVMSpec): types.MicroVMSpec | undefined => {
  try {
    const parsed = parseSpec(createInputOf(spec, undefined), LIMITS);
    const { id, namespace } = spec;
    const vm: MicroVM = { ...sampleMicroVM(), id, namespace, spec: { ...parsed, provider: "qemu" } };
    return wireMicroVM(vm).spec;
  } catch (error) {
    if (error instanceof FlintlockError && error.code === "invalid_spec") return undefined;
    throw error;
  }
};

const jsonOf = (spec: types.MicroVMSpec): JsonObject =>
  toJson(types.MicroVMSpecSchema, spec, { useProtoFieldName: true, alwaysEmitImplicit: true }) as JsonObject;

/** Every value of `json` with the path of its rule. */
const valuesOf = (json: unknown, path: string): readonly (readonly [string, unknown])[] => {
  const { type } = path === "" ? { type: "message" } : rule(path);
  if (type === "list" && Array.isArray(json)) {
    const own = [[path, json] as const];
    return SPEC_FIELD_RULES[path]?.item === undefined
      ? [...own, ...json.flatMap((each) => membersOf(each, `${path}[].`))]
      : own;
  }
  if (type === "message") return membersOf(json, path === "" ? "" : `${path}.`);
  return [[path, json]];
};

const membersOf = (json: unknown, prefix: string) =>
  Object.entries(json as JsonObject).flatMap(([name, value]) => valuesOf(value, `${prefix}${name}`));

const fits = (value: string, { minLength = 0, maxLength, pattern }: TextRule): boolean =>
  value.length >= minLength && value.length <= maxLength && (pattern?.test(value) ?? true);

const keepsRule = (path: string, value: unknown): boolean => {
  const { type, min = 0, max = Number.MAX_SAFE_INTEGER, maxItems = 1e9, item, key, ...own } = rule(path);
  // Empty stands for the default, or for nothing.
  if (value === "" || value === 0 || value === undefined || own.isOutput) return true;
  if (Array.isArray(value)) {
    return (
      value.length <= maxItems && (item === undefined || value.every((each) => fits(String(each), item)))
    );
  }
  if (type === "map") {
    const entries = Object.entries(value as JsonObject);
    const { value: valueRule = { maxLength: 0 } } = own;
    return (
      entries.length <= maxItems &&
      entries.every(([k, v]) => fits(k, key ?? { maxLength: 0 }) && fits(String(v), valueRule))
    );
  }
  if (typeof value === "number") return value >= min && value <= max;
  return (
    typeof value !== "string" ||
    own.maxLength === undefined ||
    fits(value, { ...own, maxLength: own.maxLength })
  );
};

test("what is accepted keeps every rule of the table", () => {
  let count = 0;
  fc.assert(
    fc.property(specs, (spec) => {
      const wire = accepted(spec);
      if (wire === undefined) return;
      count++;
      for (const [path, value] of valuesOf(jsonOf(wire), "")) {
        if (!keepsRule(path, value)) throw new Error(`${path}: ${JSON.stringify(value)} breaks its rule`);
      }
    }),
    { numRuns: 500 },
  );
  // The generator must not have missed the point.
  expect(count).toBeGreaterThan(50);
});

test("wire to core to wire is the identity, but for what is listed here", () => {
  fc.assert(
    fc.property(specs, (spec) => {
      const wire = accepted(spec);
      if (wire === undefined) return;
      const { created_at, updated_at, uid, ...rest } = jsonOf(wire);
      expect([created_at, updated_at, uid]).toEqual(expect.not.arrayContaining([undefined]));
      expect(rest).toEqual(normalised(jsonOf(spec)));
      const again = accepted(wire);
      expect(again && jsonOf(again)).toEqual(jsonOf(wire));
    }),
    { numRuns: 500 },
  );
});

/** The differences that are meant. */
const normalised = (json: JsonObject): JsonObject => {
  const spec = json as JsonObject & {
    kernel: JsonObject;
    initrd?: JsonObject;
    root_volume: JsonObject;
    additional_volumes: JsonObject[];
    interfaces: JsonObject[];
    metadata: Readonly<Record<string, string>>;
  };
  const { initrd } = spec;
  return {
    ...spec,
    vcpu: spec["vcpu"] || MICROVM_FIELDS.vcpu.default,
    memory_in_mb: spec["memory_in_mb"] || MICROVM_FIELDS.memory_in_mb.default,
    provider: "qemu",
    metadata: normalisedMetadata(spec.metadata),
    kernel: normalisedFile(spec.kernel),
    ...(initrd !== undefined && { initrd: normalisedFile(initrd) }),
    root_volume: normalisedVolume(spec.root_volume),
    additional_volumes: spec.additional_volumes.map(normalisedVolume),
    interfaces: spec.interfaces.map(normalisedInterface),
  };
};

/** What is not base64 is taken as text, except where the daemon reads it itself. */
const normalisedMetadata = (metadata: Readonly<Record<string, string>>): JsonObject =>
  Object.fromEntries(
    Object.entries(metadata).map(([key, value]) => {
      const isBase64 = value.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(value);
      return [
        key,
        isBase64 || /^(meta|vendor)-data$/.test(key) ? value : Buffer.from(value).toString("base64"),
      ];
    }),
  );

const noSlash = (value: unknown): string => String(value).replace(/^\/+/, "");

const normalisedFile = (file: JsonObject): JsonObject => ({ ...file, filename: noSlash(file["filename"]) });

const normalisedVolume = (json: JsonObject): JsonObject => ({
  ...json,
  id: json["id"] || "root",
  partition_id: String(json["partition_id"] ?? "").toLowerCase(),
  size_in_mb: json["size_in_mb"] ?? 0,
  ...("mount_point" in json && { mount_point: `/${noSlash(json["mount_point"])}` }),
});

const normalisedInterface = (json: JsonObject): JsonObject => {
  const { overrides, address, ...rest } = json as {
    overrides?: JsonObject;
    address?: JsonObject;
  } & JsonObject;
  const digits = String(json["guest_mac"] ?? "")
    .toLowerCase()
    .replaceAll(/[^0-9a-f]/g, "");
  return {
    ...rest,
    guest_mac: (digits.match(/../g) ?? []).join(":"),
    ...(address !== undefined && { address: normalisedAddress(address) }),
    ...(overrides?.["bridge_name"] && { overrides }),
  };
};

const normalisedAddress = (json: JsonObject): JsonObject => {
  const [ip, prefix] = String(json["address"]).split("/");
  const gateway = json["gateway"] && `${String(json["gateway"]).replace(/\/.*$/, "")}/${Number(prefix)}`;
  return { ...json, address: `${ip}/${Number(prefix)}`, ...(gateway && { gateway }) };
};
