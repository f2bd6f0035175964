/** The schemas of a document, by name: each is made once, when something first refers to it. */
import type { JsonObject } from "@bufbuild/protobuf";
import { COMMENTS } from "@flintlock/api";

export type Schemas = Map<string, JsonObject>;

export const refTo = (name: string, schemas: Schemas, make: () => JsonObject): JsonObject => {
  if (!schemas.has(name)) {
    // Messages may refer to themselves
    schemas.set(name, {});
    schemas.set(name, make());
  }
  return { $ref: `#/components/schemas/${name}` };
};

/** What our protos say of it. */
export const described = (name: string): JsonObject => {
  const description = COMMENTS[name];
  return description === undefined ? {} : { description };
};
