/** An OpenAPI 2 document, reduced to what a client is generated from. */
export interface SwaggerFacts {
  /** By `POST /v1alpha1/microvm` */
  readonly operations: Readonly<Record<string, Operation>>;
  /** By definition's name, then property: its type */
  readonly schemas: Readonly<Record<string, Readonly<Record<string, string>> | readonly string[]>>;
}

export interface Operation {
  readonly operationId: string;
  /** `namespace in path, required: string` */
  readonly parameters: readonly string[];
  /** By status */
  readonly responses: Readonly<Record<string, string>>;
}

interface Schema {
  readonly type?: string;
  readonly format?: string;
  readonly $ref?: string;
  readonly items?: Schema;
  readonly enum?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, SwaggerOperation>>>>;
  readonly definitions: Readonly<Record<string, Schema>>;
}

interface SwaggerOperation {
  readonly operationId: string;
  readonly parameters?: readonly (Schema & {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    readonly schema?: Schema;
  })[];
  readonly responses: Readonly<Record<string, { readonly schema?: Schema }>>;
}

/** `text` is the document. */
export const swaggerFacts = (text: string): SwaggerFacts => {
  const { paths, definitions }: Document = JSON.parse(text);
  const operations = Object.entries(paths).flatMap(([route, methods]) =>
    Object.entries(methods).map(
      ([method, one]) => [`${method.toUpperCase()} ${route}`, operation(one)] as const,
    ),
  );
  return {
    operations: Object.fromEntries(operations.sort(([a], [b]) => (a < b ? -1 : 1))),
    schemas: Object.fromEntries(Object.entries(definitions).map(([name, schema]) => [name, members(schema)])),
  };
};

const operation = ({ operationId, parameters = [], responses }: SwaggerOperation): Operation => ({
  operationId,
  parameters: parameters.map(
    ({ name, required, schema, ...rest }) =>
      `${name} in ${rest.in}${required === true ? ", required" : ""}: ${typeOf(schema ?? rest)}`,
  ),
  responses: Object.fromEntries(
    Object.entries(responses).map(([status, { schema }]) => [status, typeOf(schema ?? {})]),
  ),
});

const members = (schema: Schema): Readonly<Record<string, string>> | readonly string[] =>
  schema.enum ??
  Object.fromEntries(Object.entries(schema.properties ?? {}).map(([name, one]) => [name, typeOf(one)]));

const typeOf = (schema: Schema): string => {
  if (schema.$ref !== undefined) return schema.$ref.replace(/^.*\//, "");
  if (schema.items !== undefined) return `${typeOf(schema.items)}[]`;
  if (schema.additionalProperties !== undefined && schema.properties === undefined)
    return `map of ${typeOf(schema.additionalProperties)}`;
  const type = schema.type ?? "any";
  return schema.format === undefined ? type : `${type} (${schema.format})`;
};
