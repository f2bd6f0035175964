/**
 * The document that upstream publishes of v1alpha1, made of our own descriptors and words: Swagger 2.0, its names as
 * protoc-gen-openapiv2 makes them.
 */
import {
  type DescEnum,
  type DescField,
  type DescMessage,
  type DescMethod,
  getOption,
  type JsonObject,
  ScalarType,
} from "@bufbuild/protobuf";
import { COMMENTS, http } from "@flintlock/api";
import type { Route } from "../http/router.ts";

const INFO = {
  title: "Flintlock MicroVM API",
  description: "The Flintlock MicroVM API handles operations for provisioning and managing microvms",
  version: "0.1",
} as const;

/** `routes` are those of one service; methods without an HTTP rule are left out, as they are there. */
export const swaggerOf = (routes: readonly Route[]): JsonObject => {
  const definitions = new Map<string, JsonObject>();
  const declared = routes.filter(({ method }) => getOption(method.desc, http).pattern.case !== undefined);
  const paths: Record<string, JsonObject> = {};
  for (const route of declared) {
    paths[route.path] = { ...paths[route.path], [route.verb.toLowerCase()]: operationOf(route, definitions) };
  }
  // What methods without a rule answer is defined all the same
  for (const { method } of routes) define(method.desc.output, definitions);
  definitions.set("rpcStatus", { type: "object", properties: STATUS_FIELDS });
  definitions.set("protobufAny", ANY);
  return {
    swagger: "2.0",
    info: INFO,
    tags: [...new Set(routes.map(({ method }) => method.desc.parent.name))].map((name) => ({ name })),
    consumes: ["application/json"],
    produces: ["application/json"],
    paths: sorted(Object.entries(paths)),
    definitions: sorted(definitions),
  };
};

/** `google.rpc.Status`, the body of every error. */
const STATUS_FIELDS: JsonObject = {
  code: { type: "integer", format: "int32" },
  message: { type: "string" },
  details: { type: "array", items: { type: "object", $ref: "#/definitions/protobufAny" } },
};

const ANY: JsonObject = {
  type: "object",
  properties: { "@type": { type: "string", description: "Which message this is, as a URL." } },
  additionalProperties: {},
  description: "Any message, with its type.",
};

const sorted = (entries: Iterable<readonly [string, JsonObject]>): JsonObject =>
  Object.fromEntries([...entries].sort(([a], [b]) => (a < b ? -1 : 1)));

const operationOf = ({ method: { desc }, ...route }: Route, definitions: Definitions): JsonObject => ({
  ...(COMMENTS[commentKey(desc)] === undefined ? {} : { summary: COMMENTS[commentKey(desc)] ?? "" }),
  operationId: `${desc.parent.name}_${desc.name}`,
  responses: {
    "200": { description: "The answer.", schema: replyOf(desc, definitions) },
    default: { description: "What went wrong.", schema: { $ref: "#/definitions/rpcStatus" } },
  },
  parameters: desc.input.fields.map((field) => parameterOf(field, route, definitions)),
  tags: [desc.parent.name],
});

const commentKey = (desc: DescMethod): string => `${desc.parent.typeName}.${desc.name}`;

const replyOf = ({ output }: DescMethod, definitions: Definitions): JsonObject =>
  output.typeName === "google.protobuf.Empty"
    ? { type: "object", properties: {} }
    : messageSchema(output, definitions);

const parameterOf = (
  field: DescField,
  { body, template }: Pick<Route, "body" | "template">,
  definitions: Definitions,
): JsonObject => {
  const { name } = field;
  if (name === body) return { name, in: "body", required: true, schema: fieldSchema(field, definitions) };
  const isInPath = template.variables.some(({ fieldPath }) => fieldPath === name);
  const place = isInPath ? { in: "path", required: true } : { in: "query", required: false };
  // A map has no type that a query of Swagger could say
  return field.fieldKind === "map"
    ? { name, ...place }
    : { name, ...place, ...fieldSchema(field, definitions) };
};

type Definitions = Map<string, JsonObject>;

const SCALARS: Readonly<Partial<Record<ScalarType, JsonObject>>> = {
  [ScalarType.STRING]: { type: "string" },
  [ScalarType.BOOL]: { type: "boolean" },
  [ScalarType.INT32]: { type: "integer", format: "int32" },
};

const TEXTS: Readonly<Record<string, JsonObject>> = {
  "google.protobuf.Timestamp": { type: "string", format: "date-time" },
  "google.protobuf.Duration": { type: "string" },
};

const fieldSchema = (field: DescField, definitions: Definitions): JsonObject => {
  switch (field.fieldKind) {
    case "list":
      return { type: "array", items: valueSchema(field, definitions, { type: "object" }) };
    case "map":
      return { type: "object", additionalProperties: valueSchema(field, definitions, {}) };
    default:
      return valueSchema(field, definitions, {});
  }
};

/** Of a field, or of each of its values. `ofMessage` is what a reference to a message stands beside. */
const valueSchema = (field: DescField, definitions: Definitions, ofMessage: JsonObject): JsonObject => {
  const text = TEXTS[field.message?.typeName ?? ""];
  if (text !== undefined) return text;
  if (field.message !== undefined) return { ...ofMessage, ...messageSchema(field.message, definitions) };
  if (field.enum !== undefined) return enumSchema(field.enum, definitions);
  const scalar = field.scalar === undefined ? undefined : SCALARS[field.scalar];
  if (scalar === undefined) throw new Error(`${field.toString()}: a type that v1alpha1 did not have`);
  return scalar;
};

const messageSchema = (desc: DescMessage, definitions: Definitions): JsonObject => {
  define(desc, definitions);
  return { $ref: `#/definitions/${nameOf(desc)}` };
};

const define = (desc: DescMessage, definitions: Definitions): void => {
  if (definitions.has(nameOf(desc)) || desc.typeName.startsWith("google.")) return;
  const properties: JsonObject = {};
  definitions.set(nameOf(desc), { type: "object", properties, ...described(desc.typeName) });
  for (const field of desc.fields) {
    const comment = described(`${desc.typeName}.${field.name}`);
    properties[field.jsonName] = { ...fieldSchema(field, definitions), ...comment };
  }
};

const enumSchema = (desc: DescEnum, definitions: Definitions): JsonObject => {
  const names = desc.values.map(({ name }) => name);
  definitions.set(nameOf(desc), { type: "string", enum: names, default: names[0] ?? "" });
  return { $ref: `#/definitions/${nameOf(desc)}` };
};

/** The last two parts of the full name: `flintlock.types.Kernel` is `typesKernel`. */
const nameOf = ({ typeName }: DescMessage | DescEnum): string => typeName.split(".").slice(-2).join("");

const described = (name: string): JsonObject => {
  const description = COMMENTS[name];
  return description === undefined ? {} : { description };
};
