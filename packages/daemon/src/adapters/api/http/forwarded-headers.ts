import type { IncomingHttpHeaders } from "node:http";
import type { RequestMetadata } from "../metadata.ts";

const PREFIX = "grpc-metadata-";
const TRACE_CONTEXT = "traceparent";

/**
 * The metadata that grpc-gateway makes of a request's headers: `Authorization` as it is, `Grpc-Metadata-*` without the
 * prefix. And the trace context (W3C), which instrumented gateways pass on too.
 */
export const metadataOf = (headers: IncomingHttpHeaders): RequestMetadata => {
  const metadata = new Map<string, string>();
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined) continue;
    const text = Array.isArray(value) ? value.join(", ") : value;
    if (name.startsWith(PREFIX)) metadata.set(name.slice(PREFIX.length), text);
    if (name === "authorization" || name === TRACE_CONTEXT) metadata.set(name, text);
  }
  return metadata;
};
