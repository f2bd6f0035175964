/** Schemas in words, as tables, and as examples. */
import { el } from "./dom.js";

let schemas = {};
export const useSchemas = (all) => {
  schemas = all;
};

/** Without the package. */
export const shortName = (name) => name.replace(/^(?:[a-z0-9]+\.)+/, "");
const nameOf = ({ $ref }) => $ref?.replace(/^.*\//, "");
const resolved = (schema) => (schema.$ref === undefined ? schema : (schemas[nameOf(schema)] ?? {}));
const isNull = ({ type }) => type === "null";
/** What is left when null is not counted. */
const alternatives = (schema) =>
  (schema.anyOf ?? schema.allOf?.slice(0, 1) ?? []).filter((one) => !isNull(one));

/** "string", "Kernel", "map of Volume", "integer[]": nodes, as names are links. */
export const typeOf = (schema) => {
  if (schema.$ref !== undefined) return [el("a", { href: `#${nameOf(schema)}` }, shortName(nameOf(schema)))];
  if (schema.type === undefined && alternatives(schema).length > 0)
    return alternatives(schema).flatMap((one, at) => [...(at > 0 ? [" or "] : []), ...typeOf(one)]);
  if (schema.items !== undefined) return [...typeOf(schema.items), "[]"];
  if (typeof schema.additionalProperties === "object")
    return ["map of ", ...typeOf(schema.additionalProperties)];
  return [
    [schema.type ?? "any"]
      .flat()
      .filter((type) => type !== "null")
      .join(" or "),
  ];
};

const boundsOf = ({
  minimum,
  maximum,
  minLength,
  maxLength,
  maxItems,
  maxProperties,
  pattern,
  enum: values,
}) =>
  [
    minimum !== undefined || maximum !== undefined ? `${minimum ?? "…"} to ${maximum ?? "…"}` : undefined,
    maxLength === undefined ? undefined : `${minLength ?? 0} to ${maxLength} characters`,
    (maxItems ?? maxProperties) === undefined ? undefined : `at most ${maxItems ?? maxProperties}`,
    values === undefined
      ? undefined
      : `one of ${values
          .filter((value) => typeof value === "string")
          .map((value) => value || '""')
          .join(", ")}`,
    pattern === undefined || pattern.length > 120 || values !== undefined || maximum !== undefined
      ? undefined
      : pattern,
  ].filter((text) => text !== undefined);

export const row = (name, schema, { isRequired, description, input }) =>
  el(
    "tr",
    {},
    el("td", { class: isRequired ? "required" : undefined }, name),
    el("td", {}, typeOf(schema)),
    el(
      "td",
      {},
      input,
      description ?? "",
      boundsOf(schema).map((text) => el("small", {}, text)),
    ),
  );

export const schemaTable = (schema) => {
  const {
    properties = {},
    required = [],
    description = "",
    enum: values,
  } = resolved(schema.allOf?.[0] ?? schema);
  if (values !== undefined) return el("p", {}, `${description} One of ${values.join(", ")}.`);
  const rows = Object.entries(properties).map(([name, one]) =>
    row(name, one, { isRequired: required.includes(name), description: one.description }),
  );
  return el("div", {}, el("p", {}, description), el("table", {}, rows));
};

/** The least that a request needs: what is required, and what v1alpha1 requires beside. */
export const exampleOf = (schema) => {
  if (schema.allOf !== undefined) return Object.assign({ id: "web" }, ...schema.allOf.map(exampleOf));
  const { type, properties = {}, required = [], enum: values, anyOf = [] } = resolved(schema);
  const names = new Set([...required, ...(anyOf[0]?.required ?? [])]);
  const all = { ...properties, ...anyOf[0]?.properties };
  if (type === "object" || names.size > 0)
    return Object.fromEntries([...names].map((name) => [name, exampleOf(all[name] ?? {})]));
  if (values !== undefined) return values.find((value) => value !== "");
  if ([type].flat().includes("integer")) return 1;
  return schema.pattern?.includes("sha256") || schema.minLength === 1 ? "docker.io/library/alpine:3.20" : "";
};
