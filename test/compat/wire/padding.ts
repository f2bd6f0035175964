/** Large requests, so that neither the cases nor the recordings hold megabytes. */
import type { JsonObject } from "@bufbuild/protobuf";

/** `message` with `bytes` of metadata in the spec, which is `message` itself or its field `field`. */
export const padded = (message: JsonObject, bytes: number | undefined, field?: string): JsonObject => {
  if (bytes === undefined) return message;
  const inner = field === undefined ? message : message[field];
  const spec = { ...(inner as JsonObject), metadata: { "user-data": "A".repeat(bytes) } };
  return field === undefined ? spec : { ...message, [field]: spec };
};
