/** What a caller sees of an error: a gRPC status with details, or the same as HTTP. */
import { randomBytes } from "node:crypto";
import { type ErrorCode, FlintlockError, type Log, toFlintlockError } from "@flintlock/core";
import { status } from "@grpc/grpc-js";
import type { Status, StatusDetail } from "./schema/rpc-status.ts";

interface Meaning {
  readonly status: status;
  /** When trying again unchanged may help: after how long */
  readonly retryMs: number | undefined;
}

export const MEANINGS = {
  invalid_spec: { status: status.INVALID_ARGUMENT, retryMs: undefined },
  not_found: { status: status.NOT_FOUND, retryMs: undefined },
  already_exists: { status: status.ALREADY_EXISTS, retryMs: undefined },
  conflict: { status: status.ABORTED, retryMs: 100 },
  failed_precondition: { status: status.FAILED_PRECONDITION, retryMs: undefined },
  unauthenticated: { status: status.UNAUTHENTICATED, retryMs: undefined },
  permission_denied: { status: status.PERMISSION_DENIED, retryMs: undefined },
  unsupported: { status: status.UNIMPLEMENTED, retryMs: undefined },
  exhausted: { status: status.RESOURCE_EXHAUSTED, retryMs: 5_000 },
  unavailable: { status: status.UNAVAILABLE, retryMs: 1_000 },
  deadline_exceeded: { status: status.DEADLINE_EXCEEDED, retryMs: undefined },
  canceled: { status: status.CANCELLED, retryMs: undefined },
  out_of_range: { status: status.OUT_OF_RANGE, retryMs: undefined },
  data_loss: { status: status.DATA_LOSS, retryMs: undefined },
  provider_failed: { status: status.INTERNAL, retryMs: undefined },
  internal: { status: status.INTERNAL, retryMs: undefined },
} as const satisfies Record<ErrorCode, Meaning>;

const DOMAIN = "flintlock";
/** Trailers must fit the smallest header limit among clients: 8 KiB, percent-encoding triples a byte. */
const MAX_MESSAGE_CHARS = 1_500;
const MAX_METADATA_CHARS = 500;
const MAX_FIELD_CHARS = 200;
/** Of all violations: base64 adds a third */
const MAX_VIOLATIONS_CHARS = 2_500;
const INCIDENT_BYTES = 4;

/** The one catch-all of both transports. Internal errors are logged with a reference and told without words. */
export const statusOf = (thrown: unknown, log: Log, method: string): Status => {
  const error = toFlintlockError(thrown);
  const message = error.code === "internal" ? logInternal(error, log, method) : error.message;
  if (error.code === "provider_failed") log.warn("request failed", { method, ...describeError(error) });
  const meaning = MEANINGS[error.code];
  return { code: meaning.status, message: wellFormed(message, MAX_MESSAGE_CHARS), details: detailsOf(error) };
};

const logInternal = (error: FlintlockError, log: Log, method: string): string => {
  const incident = randomBytes(INCIDENT_BYTES).toString("hex");
  log.error("internal error", { method, incident, ...describeError(error) });
  return `internal error; the daemon's log has more under incident ${incident}`;
};

const describeError = (error: FlintlockError) => ({
  code: error.code,
  message: error.message,
  cause: error.cause instanceof Error ? (error.cause.stack ?? error.cause.message) : error.cause,
  stack: error.stack,
});

const detailsOf = (error: FlintlockError): readonly StatusDetail[] => {
  if (error.code === "internal") return [];
  const details: StatusDetail[] = [];
  if (error.violations.length > 0) details.push({ kind: "BadRequest", violations: violationsOf(error) });
  const metadata: Record<string, string> = {};
  for (const [key, value] of Object.entries(error.detail)) {
    if (key !== "field") metadata[key] = wellFormed(String(value), MAX_METADATA_CHARS);
  }
  if (error.hint !== undefined) metadata["hint"] = wellFormed(error.hint, MAX_METADATA_CHARS);
  details.push({ kind: "ErrorInfo", reason: error.code, domain: DOMAIN, metadata });
  const exactMs = error.detail["retry_after_ms"];
  const retryMs = typeof exactMs === "number" ? exactMs : MEANINGS[error.code].retryMs;
  if (retryMs !== undefined) details.push({ kind: "RetryInfo", retryMs });
  return details;
};

/** As many as fit: one is told whatever its length. */
const violationsOf = (error: FlintlockError): readonly { field: string; description: string }[] => {
  const told: { field: string; description: string }[] = [];
  let chars = 0;
  for (const { field, problem } of error.violations) {
    const violation = {
      field: wellFormed(field, MAX_FIELD_CHARS),
      description: wellFormed(problem, MAX_METADATA_CHARS),
    };
    chars += violation.field.length + violation.description.length;
    if (told.length > 0 && chars > MAX_VIOLATIONS_CHARS) break;
    told.push(violation);
  }
  return told;
};

/**
 * Bounded and without lone surrogates: grpc-js percent-encodes the message with `encodeURI`, which throws on
 * them, inside an event handler.
 */
const wellFormed = (text: string, maxChars: number): string => {
  const bounded = text.length > maxChars ? `${text.slice(0, maxChars)}…` : text;
  return bounded.replace(/\p{Surrogate}/gu, "\uFFFD");
};

export const canceled = (): FlintlockError => new FlintlockError("canceled", "the client canceled the call");

export const deadlineExceeded = (): FlintlockError =>
  new FlintlockError("deadline_exceeded", "the client's deadline passed");

export const stopping = (): FlintlockError =>
  new FlintlockError("unavailable", "the daemon is stopping", {
    // For clients: it is this daemon that is unavailable, not a registry or a guest behind it.
    detail: { daemon: "stopping" },
    hint: "Try again once it is back.",
  });

/** Code 3 with a message of upstream's, word for word where a client may look. */
export const invalidRequest = (field: string, message: string): FlintlockError =>
  new FlintlockError("invalid_spec", message, { detail: { field } });
