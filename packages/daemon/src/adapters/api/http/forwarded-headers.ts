import type { IncomingHttpHeaders } from "node:http";
import type { RequestMetadata } from "../metadata.ts";

const PREFIX = "grpc-metadata-";

/**
 * The metadata that grpc-gateway makes of a request's headers: `Authorization` as it is, `Grpc-Metadata-*` without the
 * prefix; and of our own `Idempotency-Key`.
 */
export const metadataOf = (headers: IncomingHttpHeaders): RequestMetadata => {
  const metadata = new Map<string, string>();
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined) continue;
    const text = Array.isArray(value) ? value.join(", ") : value;
    if (name.startsWith(PREFIX)) metadata.set(name.slice(PREFIX.length), text);
    if (name === "authorization" || name === "idempotency-key") metadata.set(name, text);
  }
  return metadata;
};
