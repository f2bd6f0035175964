/** Where a client may put the id that makes a create safe to send again. */
import { anyUnpack, StringValueSchema } from "@bufbuild/protobuf/wkt";
import type { wire } from "@flintlock/api";
import { invalidField } from "@flintlock/core";
import type { RequestMetadata } from "../metadata.ts";

/** Request metadata of either API; over HTTP also the header `Idempotency-Key`. */
export const IDEMPOTENCY_KEY = "idempotency-key";
/** Entry of `CreateMicroVMRequest.metadata`, a `google.protobuf.StringValue` */
const REQUEST_ID = "request_id";

/** Empty when there is none. `own` is the request's own field, where it has one. */
export const requestIdOf = (own: string, metadata: RequestMetadata): string => {
  const key = metadata.get(IDEMPOTENCY_KEY) ?? "";
  if (own === "" || key === "" || own === key) return own || key;
  throw invalidField(REQUEST_ID, `differs from the metadata ${IDEMPOTENCY_KEY}: give one of them`);
};

/** COMPAT: upstream accepts this map and never reads it; other entries are still not read. */
export const wireRequestId = ({ metadata }: wire.CreateMicroVMRequest): string => {
  const any = metadata[REQUEST_ID];
  if (any === undefined) return "";
  const text = unpacked(any);
  if (text !== undefined) return text.value;
  throw invalidField(`metadata[${REQUEST_ID}]`, "must be a google.protobuf.StringValue");
};

const unpacked = (any: Parameters<typeof anyUnpack>[0]) => {
  try {
    return anyUnpack(any, StringValueSchema);
  } catch {
    // Bytes that are no message: told as the wrong type is.
    return undefined;
  }
};
