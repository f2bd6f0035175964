/** Bodies of requests to VMMs against their published OpenAPI documents, and what Firecracker's code refuses besides. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** As far as the document goes: OpenAPI 2.0's schemas, which are those of JSON Schema draft 4 */
interface Schema {
  readonly $ref?: string;
  readonly type?: "object" | "array" | "string" | "integer" | "boolean";
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean;
  readonly items?: Schema;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
}

export interface PublishedApi {
  readonly requests: Readonly<Record<string, Schema>>;
  readonly definitions: Readonly<Record<string, Schema>>;
}

export const PUBLISHED = ["v1.10.1", "v1.16.1"] as const;

export const readPublished = async (
  tag: string,
  kind: "firecracker" | "cloud-hypervisor" = "firecracker",
): Promise<PublishedApi> =>
  JSON.parse(await readFile(join(import.meta.dirname, `${kind}-${tag}.json`), "utf8")) as PublishedApi;

/** What is wrong with a request, as sentences; empty = nothing. */
export const violationsOf = (
  api: PublishedApi,
  method: string,
  path: string,
  body: unknown,
): readonly string[] => {
  const [, resource, id] = path.split("/");
  const template = Object.keys(api.requests).find(
    (known) =>
      known === `${method} ${path}` ||
      (id !== undefined && known.startsWith(`${method} /${resource}/{`) && !known.slice(8).includes("}/")),
  );
  const schema = template === undefined ? undefined : api.requests[template];
  if (schema === undefined) return [`${method} ${path} is not there`];
  // What `checked_id` of its API server wants
  const bad = template?.includes("{") === true && !/^[A-Za-z0-9_]+$/.test(id ?? "") ? [`the id ${id}`] : [];
  return [...bad, ...check(api, schema, body, path)];
};

const check = (api: PublishedApi, schema: Schema, value: unknown, at: string): readonly string[] => {
  if (schema.$ref !== undefined) {
    const named = api.definitions[schema.$ref.replace("#/definitions/", "")];
    return named === undefined ? [`${at}: no definition ${schema.$ref}`] : check(api, named, value, at);
  }
  if (schema.enum !== undefined && !schema.enum.includes(value)) return [`${at}: ${String(value)}`];
  switch (schema.type) {
    case "object":
      return checkObject(api, schema, value, at);
    case "array":
      if (!Array.isArray(value)) return [`${at}: no list`];
      return value.flatMap((item, index) => check(api, schema.items ?? {}, item, `${at}[${index}]`));
    case "integer": {
      if (!Number.isSafeInteger(value)) return [`${at}: no whole number`];
      const { minimum = -Infinity, maximum = Infinity } = schema;
      const number = value as number;
      return number < minimum || number > maximum ? [`${at}: ${number} is out of range`] : [];
    }
    case undefined:
      return [];
    default:
      return typeof value === schema.type ? [] : [`${at}: no ${schema.type}`];
  }
};

const checkObject = (api: PublishedApi, schema: Schema, value: unknown, at: string): readonly string[] => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [`${at}: no object`];
  const properties = schema.properties ?? {};
  const missing = (schema.required ?? []).filter((name) => !(name in value));
  return [
    ...missing.map((name) => `${at}: ${name} is missing`),
    ...Object.entries(value).flatMap(([name, field]) => {
      const known = properties[name];
      if (known !== undefined) return check(api, known, field, `${at}.${name}`);
      // Its code denies unknown fields where the document allows them.
      return schema.additionalProperties === true || schema.properties === undefined
        ? []
        : [`${at}: it knows no ${name}`];
    }),
  ];
};
