/**
 * What a client may send, as the gateway reads it: any field may be left out or null that no rule requires, numbers may
 * come as text, enum values as numbers, and unknown fields are ignored.
 */
import {
  type DescEnum,
  type DescField,
  type DescMessage,
  type JsonObject,
  ScalarType,
} from "@bufbuild/protobuf";
import { COMMENTS } from "@flintlock/api";
import type { FieldRule } from "@flintlock/core";
import { GRAMMARS } from "./patterns.ts";
import { boundsOf, noteOf, sizeOf, textSchema } from "./rule-schema.ts";
import { described, refTo, type Schemas } from "./schemas.ts";

/** `parameter`: of a path or query, where everything is text and nothing is null. */
export type Place = "body" | "parameter";
type Rules = ReadonlyMap<string, FieldRule>;

export const requestSchema = (desc: DescMessage, rules: Rules, schemas: Schemas): JsonObject => {
  if (desc.fields.length === 0) return { type: "object" };
  return refTo(`${desc.typeName}.Request`, schemas, () => {
    const fields = desc.fields.filter((field) => ruleOf(field, rules).isOutput !== true);
    const required = fields
      .filter((field) => ruleOf(field, rules).isRequired === "always")
      .map(({ jsonName }) => jsonName);
    return {
      type: "object",
      ...described(desc.typeName),
      properties: Object.fromEntries(
        fields.map((field) => [field.jsonName, requestFieldSchema(field, { rules, schemas, place: "body" })]),
      ),
      ...(required.length === 0 ? {} : { required }),
      ...ACROSS_FIELDS[desc.typeName],
    };
  });
};

/** Rules of more than one field, as far as a schema can say them. */
const ACROSS_FIELDS: Readonly<Record<string, JsonObject>> = {
  // Upstream made it two fields where a oneof was meant
  "flintlock.types.VolumeSource": {
    not: {
      required: ["containerSource", "virtiofsSource"],
      properties: { containerSource: { type: "string" }, virtiofsSource: { type: "string" } },
    },
  },
  // Only an image can be the root
  "flintlock.types.MicroVMSpec": {
    not: {
      required: ["rootVolume"],
      properties: {
        rootVolume: {
          type: "object",
          required: ["source"],
          properties: {
            source: {
              type: "object",
              required: ["virtiofsSource"],
              properties: { virtiofsSource: { type: "string" } },
            },
          },
        },
      },
    },
  },
  // Published ports need the user-mode network, which is there when no interface is asked for
  "flintlock.v1.CreateRequest": {
    anyOf: [
      { properties: { ports: { maxItems: 0 } } },
      { properties: { microvm: { properties: { interfaces: { maxItems: 0 } } } } },
    ],
  },
};

export interface RequestContext {
  readonly rules: Rules;
  readonly schemas: Schemas;
  readonly place: Place;
}

export const isRequired = (field: DescField, rules: Rules): boolean =>
  ruleOf(field, rules).isRequired === "always";

export const requestFieldSchema = (field: DescField, context: RequestContext): JsonObject => {
  const rule = ruleOf(field, context.rules);
  const schema = bareSchema(field, rule, context);
  const note = describedBy(field, rule);
  return context.place === "body" && rule.isRequired !== "always"
    ? { ...nullable(schema), ...note }
    : { ...schema, ...note };
};

const NO_RULE: Partial<FieldRule> = {};
const keyOf = (field: DescField): string => `${field.parent?.typeName}.${field.name}`;
const ruleOf = (field: DescField, rules: Rules): Partial<FieldRule> => rules.get(keyOf(field)) ?? NO_RULE;

const describedBy = (field: DescField, rule: Partial<FieldRule>): JsonObject => {
  const description = rule.note === undefined ? COMMENTS[keyOf(field)] : noteOf({ ...rule, note: rule.note });
  return description === undefined ? {} : { description };
};

const nullable = (schema: JsonObject): JsonObject => {
  const { type } = schema;
  if (typeof type === "string" || Array.isArray(type)) {
    const withNull = { ...schema, type: [type, "null"].flat() };
    return Array.isArray(schema["enum"]) ? { ...withNull, enum: [...schema["enum"], null] } : withNull;
  }
  return { anyOf: [schema, { type: "null" }] };
};

const bareSchema = (field: DescField, rule: Partial<FieldRule>, context: RequestContext): JsonObject => {
  const grammar = GRAMMARS[keyOf(field)];
  switch (field.fieldKind) {
    case "list": {
      const items =
        field.listKind === "scalar"
          ? textSchema(rule.item ?? {}, { grammar, mayBeEmpty: false })
          : valueSchema(field, rule, context);
      return { type: "array", items, ...sizeOf("list", rule) };
    }
    case "map":
      return {
        type: "object",
        additionalProperties: textSchema(rule.value ?? {}, {
          grammar: GRAMMARS[`${keyOf(field)}#value`],
          mayBeEmpty: false,
        }),
        ...(rule.key === undefined
          ? {}
          : {
              propertyNames: textSchema(rule.key, {
                grammar: GRAMMARS[`${keyOf(field)}#key`],
                mayBeEmpty: false,
              }),
            }),
        ...sizeOf("map", rule),
      };
    default:
      return valueSchema(field, rule, context);
  }
};

const valueSchema = (
  field: DescField,
  rule: Partial<FieldRule>,
  { rules, schemas, place }: RequestContext,
): JsonObject => {
  if (field.message !== undefined) return requestSchema(field.message, rules, schemas);
  if (field.enum !== undefined) return enumSchema(field.enum, place);
  switch (field.scalar) {
    case ScalarType.BOOL:
      return { type: "boolean" };
    case ScalarType.INT32:
    case ScalarType.UINT32:
    case ScalarType.UINT64:
      return wholeSchema(rule, { limits: LIMITS[field.scalar], place });
    case ScalarType.BYTES:
      return { type: "string", contentEncoding: "base64" };
    case ScalarType.STRING: {
      const isOptional = rule.isRequired !== "always";
      if (rule.values !== undefined) {
        return { type: "string", enum: isOptional ? ["", ...rule.values] : [...rule.values] };
      }
      return textSchema(rule, {
        grammar: GRAMMARS[keyOf(field)],
        mayBeEmpty: isOptional,
      });
    }
    default:
      throw new Error(`${field.toString()}: a type that no request has had yet`);
  }
};

const enumSchema = ({ values }: DescEnum, place: Place): JsonObject => {
  const names = values.map(({ name }) => name);
  // There is no filter for what is not said
  if (place === "parameter")
    return { type: "string", enum: names.filter((name) => !name.endsWith("_UNSPECIFIED")) };
  return { type: ["string", "integer"], enum: [...names, ...values.map(({ number }) => number)] };
};

/** JSON has no larger whole numbers that everybody reads alike. */
const LIMITS = {
  [ScalarType.INT32]: { least: -(2 ** 31), most: 2 ** 31 - 1 },
  [ScalarType.UINT32]: { least: 0, most: 2 ** 32 - 1 },
  [ScalarType.UINT64]: { least: 0, most: Number.MAX_SAFE_INTEGER },
} as const;

const wholeSchema = (
  rule: Partial<FieldRule>,
  {
    limits,
    place,
  }: { readonly limits: { readonly least: number; readonly most: number }; readonly place: Place },
): JsonObject => {
  const { min = limits.least, max = limits.most } = rule;
  const bounds = boundsOf({ ...rule, min, max });
  if (place === "parameter") return { type: "integer", ...bounds };
  return { type: ["integer", "string"], ...bounds, pattern: digits(min, max, rule.isRequired !== "always") };
};

/** Numbers as text, of as many digits as cannot leave the range. */
const digits = (min: number, max: number, mayBeZero: boolean): string => {
  const fewest = min <= 1 ? 0 : String(min - 1).length;
  const most = String(max).length - 2;
  const body = most > fewest ? `[1-9][0-9]{${fewest},${most}}` : `[1-9][0-9]{${fewest}}`;
  return mayBeZero ? `^(?:0|${body})$` : `^${body}$`;
};
