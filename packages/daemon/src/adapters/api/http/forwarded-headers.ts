/** Headers to metadata and back, as grpc-gateway carries them (runtime/context.go, mux.go). */
import type { IncomingMessage, ServerResponse } from "node:http";
import { invalidField } from "@flintlock/core";
import type { RequestMetadata, ResponseMetadata } from "../metadata.ts";

const PREFIX = "grpc-metadata-";
const BINARY = "-bin";
/** W3C; not of IANA's list, but what an instrumented gateway passes on */
const TRACE_CONTEXT = "traceparent";

/** Headers that arrive as `grpcgateway-<name>`: the permanent ones of IANA's list, as grpc-gateway knows it. */
const PERMANENT: ReadonlySet<string> = new Set([
  "accept",
  "accept-charset",
  "accept-language",
  "accept-ranges",
  "authorization",
  "cache-control",
  "content-type",
  "cookie",
  "date",
  "expect",
  "from",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-schedule-tag-match",
  "if-unmodified-since",
  "max-forwards",
  "origin",
  "pragma",
  "referer",
  "user-agent",
  "via",
  "warning",
]);

/** What gRPC's own transport says, or refuses: nobody can set it through a prefix. */
const RESERVED: ReadonlySet<string> = new Set([
  "connection",
  "content-type",
  "grpc-encoding",
  "grpc-message",
  "grpc-message-type",
  "grpc-status",
  "grpc-timeout",
  "host",
  "te",
  "user-agent",
]);

const KEY = /^[a-z0-9._-]+$/;
const TEXT = /^[\x20-\x7e]*$/;

/** What of a request it takes. */
export interface Arrived {
  /** Names in lower case */
  readonly headersDistinct: Readonly<Record<string, readonly string[] | undefined>>;
  /** Of a Unix socket nobody knows where its other side is */
  readonly socket: { readonly remoteAddress?: string | undefined };
}

/**
 * The metadata that grpc-gateway makes of a request: `Authorization` as it is and with a prefix, permanent headers with
 * the prefix, `Grpc-Metadata-*` without theirs, and who asked for which host. Values that are not ASCII are left out, and
 * binary ones, as everywhere.
 */
export const metadataOf = ({ headersDistinct, socket }: Arrived): RequestMetadata => {
  const metadata = new Map<string, string>();
  const add = (name: string, value: string): void => {
    const known = metadata.get(name);
    metadata.set(name, known === undefined ? value : `${known}, ${value}`);
  };
  // First, as a client that says it twice is to find what it says plainly in the first place
  for (const value of headersDistinct["authorization"] ?? []) add("authorization", value);
  for (const [name, values = []] of Object.entries(headersDistinct)) {
    const key = metadataKey(name);
    if (key === undefined || key.endsWith(BINARY)) continue;
    for (const value of values) if (TEXT.test(value)) add(key, value);
  }
  const host = headersDistinct["x-forwarded-host"]?.[0] || headersDistinct["host"]?.[0];
  if (host !== undefined) add("x-forwarded-host", host);
  const hops = [...(headersDistinct["x-forwarded-for"] ?? [])];
  if (socket.remoteAddress !== undefined) hops.push(socket.remoteAddress);
  if (hops.length > 0) add("x-forwarded-for", hops.join(", "));
  return metadata;
};

/** Ours: the id of a request that may be sent again (draft-ietf-httpapi-idempotency-key-header) */
const IDEMPOTENCY_KEY = "idempotency-key";

const metadataKey = (header: string): string | undefined => {
  if (header === IDEMPOTENCY_KEY || header === TRACE_CONTEXT) return header;
  if (PERMANENT.has(header)) return `grpcgateway-${header}`;
  if (!header.startsWith(PREFIX)) return undefined;
  const key = header.slice(PREFIX.length);
  return KEY.test(key) && !RESERVED.has(key) ? key : undefined;
};

/** @throws FlintlockError `invalid_spec` – a `Grpc-Metadata-…-Bin` header is not base64 */
export const refuseBadBinary = ({ headersDistinct }: Pick<Arrived, "headersDistinct">): void => {
  for (const [name, values = []] of Object.entries(headersDistinct)) {
    if (!name.startsWith(PREFIX) || !name.endsWith(BINARY)) continue;
    if (!values.every(isBase64)) throw invalidField(name, "must be base64, of the standard alphabet");
  }
};

/** With all of its padding, or with none. */
const isBase64 = (text: string): boolean =>
  text.length % 4 === 0
    ? /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)
    : /^[A-Za-z0-9+/]+$/.test(text) && text.length % 4 !== 1;

/** Before the status line of an answer. The content type is that of the inner call, which grpc-gateway passes on too. */
export const forwardHeaders = (response: ServerResponse, reply: ResponseMetadata): void => {
  response.setHeader("Grpc-Metadata-Content-Type", "application/grpc");
  for (const [name, value] of reply.entries()) response.setHeader(`Grpc-Metadata-${name}`, value);
};

/** Whether the client takes trailers: grpc-gateway then sends the body in chunks. */
export const acceptsTrailers = ({ headers: { te }, httpVersion }: IncomingMessage): boolean =>
  httpVersion === "1.1" && String(te).toLowerCase().includes("trailers");
