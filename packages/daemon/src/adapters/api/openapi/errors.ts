/** Every error that a client may see, for the document: made of the tables that the gateway answers by. */
import type { JsonObject } from "@bufbuild/protobuf";
import { ERROR_CODES, type ErrorCode } from "@flintlock/core";
import { MEANINGS } from "../errors.ts";
import { httpStatusOf, PAYLOAD_TOO_LARGE } from "../http/responses.ts";

/** `google.rpc.Status`, as protojson writes it. */
export const ERROR_SCHEMAS: Readonly<Record<string, JsonObject>> = {
  "google.rpc.Status": {
    type: "object",
    description: "The body of every error.",
    properties: {
      code: { type: "integer", format: "int32", description: "The gRPC status code." },
      message: { type: "string", description: "What failed, and what would be right." },
      details: { type: "array", items: { $ref: "#/components/schemas/google.protobuf.Any" } },
    },
    required: ["code", "message", "details"],
  },
  "google.protobuf.Any": {
    type: "object",
    description:
      "A google.rpc.BadRequest with the fields that break a rule, an ErrorInfo with the reason and a hint, or a RetryInfo.",
    properties: { "@type": { type: "string", description: "Which of them." } },
    required: ["@type"],
  },
  StreamError: {
    type: "object",
    description: "The last line of a stream that failed.",
    properties: { error: { $ref: "#/components/schemas/google.rpc.Status" } },
    required: ["error"],
  },
};

const reasons = new Map<number, string[]>();
for (const [code, text] of Object.entries(ERROR_CODES)) {
  const status = httpStatusOf({ code: MEANINGS[code as ErrorCode].status, message: "", details: [] });
  reasons.set(status, [...(reasons.get(status) ?? []), `${code}: ${text}`]);
}
reasons.set(PAYLOAD_TOO_LARGE, ["the body is over 4 MiB"]);

/** When each can happen: 409 only where something is made or unmade, 413 only with a body. */
const isPossible = (status: number, verb: string): boolean => {
  if (status === CONFLICT) return verb !== "GET";
  return status !== PAYLOAD_TOO_LARGE || verb === "POST";
};
const CONFLICT = 409;

/** The components that operations refer to, by status. */
export const ERROR_RESPONSES: JsonObject = Object.fromEntries(
  [...reasons]
    .sort(([a], [b]) => a - b)
    .map(([status, texts]) => [String(status), response(texts, "google.rpc.Status")]),
);

export const STREAM_ERROR_RESPONSES: JsonObject = Object.fromEntries(
  [...reasons]
    .sort(([a], [b]) => a - b)
    .map(([status, texts]) => [`stream-${status}`, response(texts, "google.rpc.Status", "StreamError")]),
);

function response(texts: readonly string[], ...schemas: readonly string[]): JsonObject {
  const refs = schemas.map((name) => ({ $ref: `#/components/schemas/${name}` }));
  const [only] = refs;
  const schema = refs.length === 1 && only !== undefined ? only : { anyOf: refs };
  return { description: texts.join("; "), content: { "application/json": { schema } } };
}

/** By status, for an operation. */
export const errorsOf = (verb: string, isStream: boolean): JsonObject =>
  Object.fromEntries(
    [...reasons.keys()]
      .filter((status) => isPossible(status, verb))
      .map((status) => [
        String(status),
        { $ref: `#/components/responses/${isStream ? `stream-${status}` : status}` },
      ]),
  );
