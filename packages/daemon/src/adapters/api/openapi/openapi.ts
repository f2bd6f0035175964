/** All that the daemon serves as JSON over HTTP, as one OpenAPI 3.1 document: made of the routes that serve it. */
import type { DescField, JsonObject } from "@bufbuild/protobuf";
import { COMMENTS, ext, types } from "@flintlock/api";
import { isResumable } from "../http/event-stream.ts";
import type { Route } from "../http/router.ts";
import { V1ALPHA1 } from "../http/v1alpha1-routes.ts";
import { ERROR_RESPONSES, ERROR_SCHEMAS, errorsOf, STREAM_ERROR_RESPONSES } from "./errors.ts";
import { replySchema } from "./reply-schema.ts";
import { isRequired, type RequestContext, requestFieldSchema, requestSchema } from "./request-schema.ts";
import { createRuleIndex, type HostBounds } from "./rule-index.ts";
import type { Schemas } from "./schemas.ts";

const DESCRIPTION = [
  "Makes microVMs of OCI images and looks after them. Paths under /v1alpha1 are Flintlock's own, those under /v1 this",
  "daemon's, which also takes names for uids. Field names are in lower camel case; the snake case of the protos is read",
  'too. A stream is one JSON object a line: {"result": …} for each message, and {"error": …} if it fails;',
  "one that can be taken up again is server-sent events where Accept names them.",
].join(" ");

export const openapiOf = (routes: readonly Route[], bounds: HostBounds | undefined): JsonObject => {
  const schemas: Schemas = new Map(Object.entries(ERROR_SCHEMAS));
  const context: RequestContext = { rules: createRuleIndex(bounds), schemas, place: "body" };
  const operations = new Map<string, Route[]>();
  for (const route of routes) {
    const key = `${route.verb.toLowerCase()} ${pathOf(route)}`;
    operations.set(key, [...(operations.get(key) ?? []), route]);
  }
  const paths: Record<string, JsonObject> = {};
  for (const [key, sharing] of operations) {
    const [verb = "", path = ""] = key.split(" ");
    paths[path] = { ...paths[path], [verb]: operationOf(sharing, context) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Flintlock",
      version: "1",
      description: DESCRIPTION,
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    security: [{}, { basic: [] }, { bearer: [] }],
    tags: [...new Set(routes.map(tagOf))].map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: {
        basic: { type: "http", scheme: "basic", description: "`Basic` and the base64 of a token." },
        bearer: { type: "http", scheme: "bearer", description: "`Bearer` and a token." },
      },
      responses: { ...ERROR_RESPONSES, ...STREAM_ERROR_RESPONSES },
      schemas: Object.fromEntries([...schemas].sort(([a], [b]) => (a < b ? -1 : 1))),
    },
  };
};

/** Get and List of v1alpha1 have one path and verb; both are said then. */
const operationOf = (sharing: readonly Route[], context: RequestContext): JsonObject => {
  const [route] = sharing;
  if (route === undefined) throw new Error("an operation without a route");
  const { desc, kind } = route.method;
  const isStream = kind === "server_streaming";
  const comments = sharing.flatMap(({ method, service }) => COMMENTS[`${service}.${method.desc.name}`] ?? []);
  const parameters = new Map(
    sharing
      .flatMap((each) => parametersOf(each, context))
      .map((each) => [`${each["in"]} ${each["name"]}`, each]),
  );
  const requestBody = bodyOf(route, context);
  return {
    operationId: `${desc.parent.name}_${desc.name}`,
    tags: [tagOf(route)],
    ...(comments.length === 0 ? {} : { summary: comments.join(" Or: ") }),
    ...(parameters.size === 0 ? {} : { parameters: [...parameters.values()] }),
    ...(requestBody === undefined ? {} : { requestBody }),
    responses: {
      "200": {
        description: isStream ? "One line for each message." : "The answer.",
        content: {
          "application/json": isStream ? lineOf(route, context) : answerOf(sharing, context),
          ...(isResumable(desc) && { "text/event-stream": { schema: { type: "string" } } }),
        },
        ...linksOf(route),
      },
      ...errorsOf(route.verb, isStream),
    },
  };
};

/** What can be done with what was made. */
const linksOf = ({ service, method }: Route): JsonObject => {
  const followers = LINKS[`${service}.${method.desc.name}`];
  if (followers === undefined) return {};
  const links = Object.entries(followers).map(([operationId, parameter]) => [
    operationId,
    { operationId, parameters: { [parameter]: "$response.body#/microvm/spec/uid" } },
  ]);
  return { links: Object.fromEntries(links) };
};

/** By method: operations on the microVM in its answer, and the parameter that takes the uid. */
const LINKS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  [`${V1ALPHA1}.CreateMicroVM`]: { MicroVM_GetMicroVM: "uid", MicroVM_DeleteMicroVM: "uid" },
  [`${ext.MicroVMs.typeName}.Create`]: { MicroVMs_Get: "target", MicroVMs_Delete: "target" },
};

const answerOf = (sharing: readonly Route[], { schemas }: RequestContext): JsonObject => {
  const answers = sharing.map(({ method }) => replySchema(method.desc.output, schemas));
  const [only] = answers;
  return { schema: answers.length === 1 && only !== undefined ? only : { anyOf: answers } };
};

/** The whole is no JSON, so that `schema` has nothing to say of it; OpenAPI 3.2 has `itemSchema` for this. */
const lineOf = ({ method }: Route, { schemas }: RequestContext): JsonObject => ({
  "x-line-schema": {
    anyOf: [
      {
        type: "object",
        properties: { result: replySchema(method.desc.output, schemas) },
        required: ["result"],
      },
      { $ref: "#/components/schemas/StreamError" },
    ],
  },
});

const parametersOf = (
  { method, template, body }: Route,
  { rules, schemas }: RequestContext,
): readonly JsonObject[] => {
  const inPath = new Set(template.variables.map(({ fieldPath }) => fieldPath));
  return method.desc.input.fields
    .filter((field) => inPath.has(field.name) || (body !== "*" && field.name !== body && fitsQuery(field)))
    .map((field) => {
      const isInPath = inPath.has(field.name);
      const { description, ...schema } = requestFieldSchema(field, { rules, schemas, place: "parameter" });
      return {
        name: isInPath ? field.name.replace("namespace", "uid") : field.jsonName,
        in: isInPath ? "path" : "query",
        ...(isInPath || isRequired(field, rules) ? { required: true } : {}),
        ...(description === undefined ? {} : { description }),
        ...(field.fieldKind === "map" ? { style: "deepObject", explode: true } : {}),
        schema,
      };
    });
};

/** Messages, and maps and lists of them, have no form in a query. */
const fitsQuery = ({ message }: DescField): boolean => message === undefined;

/** What `flintlock.v1` fills in: a kernel, and a root or an initrd that needs none. */
const V1ALPHA1_SPEC: JsonObject = {
  required: ["kernel"],
  properties: {
    kernel: { type: "object", required: ["image"], properties: { image: { minLength: 1 } } },
  },
  anyOf: [
    {
      required: ["rootVolume"],
      properties: {
        rootVolume: {
          type: "object",
          required: ["source"],
          properties: {
            source: {
              type: "object",
              required: ["containerSource"],
              properties: { containerSource: { type: "string", minLength: 1 } },
            },
          },
        },
      },
    },
    { required: ["initrd"], properties: { initrd: { type: "object" }, rootVolume: { type: "null" } } },
  ],
};

const bodyOf = ({ method, body, service }: Route, context: RequestContext): JsonObject | undefined => {
  const { input } = method.desc;
  const desc = body === "*" ? input : input.fields.find(({ name }) => name === body)?.message;
  if (desc === undefined) return undefined;
  const required = body !== "*" || desc.fields.some((field) => isRequired(field, context.rules));
  const message = requestSchema(desc, context.rules, context.schemas);
  const isSpec = service === V1ALPHA1 && desc.typeName === types.MicroVMSpecSchema.typeName;
  const schema = isSpec ? { allOf: [message, V1ALPHA1_SPEC] } : message;
  return { required, content: { "application/json": { schema } } };
};

const tagOf = ({ service }: Route): string => service;

/** Paths that differ in a variable's name are one to OpenAPI. */
const pathOf = ({ path, service }: Route): string =>
  service === V1ALPHA1 ? path.replace("{namespace}", "{uid}") : path;
