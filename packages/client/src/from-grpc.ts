/** gRPC's errors as ours: the one place where statuses become codes. */
import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { ClientError, type ClientErrorCode, isClientErrorCode } from "./client-error.ts";
import { parseStatusDetails } from "./status-details.ts";

const CODE_BY_STATUS: Readonly<Partial<Record<status, ClientErrorCode>>> = {
  [status.CANCELLED]: "canceled",
  [status.UNKNOWN]: "internal",
  [status.INVALID_ARGUMENT]: "invalid_spec",
  [status.DEADLINE_EXCEEDED]: "deadline_exceeded",
  [status.NOT_FOUND]: "not_found",
  [status.ALREADY_EXISTS]: "already_exists",
  [status.PERMISSION_DENIED]: "permission_denied",
  [status.RESOURCE_EXHAUSTED]: "exhausted",
  [status.FAILED_PRECONDITION]: "failed_precondition",
  [status.ABORTED]: "conflict",
  [status.OUT_OF_RANGE]: "out_of_range",
  [status.UNIMPLEMENTED]: "unsupported",
  [status.INTERNAL]: "internal",
  [status.UNAVAILABLE]: "unavailable",
  [status.DATA_LOSS]: "data_loss",
  [status.UNAUTHENTICATED]: "unauthenticated",
};

/** `address` is for the text of a daemon that cannot be reached; `signal` tells an abort's own reason. */
export const fromGrpc = (error: unknown, address: string, signal: AbortSignal | undefined): ClientError => {
  if (error instanceof ClientError) return error;
  if (signal?.aborted) return abortError(signal);
  if (!isServiceError(error)) {
    return new ClientError("internal", error instanceof Error ? error.message : String(error), {
      cause: error,
    });
  }
  const bytes = error.metadata?.get("grpc-status-details-bin").at(0);
  const details = parseStatusDetails(bytes instanceof Uint8Array ? bytes : new Uint8Array());
  const reason = details.reason?.toLowerCase() ?? "";
  if (error.code === status.UNAVAILABLE && reason === "") return unreachable(error, address);
  if (error.code === status.DEADLINE_EXCEEDED && reason === "") {
    return new ClientError("deadline_exceeded", `no answer from flintlockd at ${address} in time`, {
      why: error.details,
      cause: error,
    });
  }
  const code = isClientErrorCode(reason) ? reason : (CODE_BY_STATUS[error.code] ?? "internal");
  return new ClientError(code, error.details || error.message, {
    reason,
    field: details.violations[0]?.field ?? details.metadata["field"],
    violations: details.violations,
    hint: details.hint ?? details.metadata["hint"],
    retryAfterMs: details.retryAfterMs,
    detail: details.metadata,
    cause: error,
  });
};

/** `AbortSignal.timeout` and friends carry a TimeoutError: that is a deadline, not a wish to stop. */
export const abortError = (signal: AbortSignal): ClientError => {
  const reason: unknown = signal.reason;
  const isTimeout = reason instanceof Error && reason.name === "TimeoutError";
  return isTimeout
    ? new ClientError("deadline_exceeded", "the time limit passed", { cause: reason })
    : new ClientError("canceled", "canceled", { cause: reason });
};

const unreachable = (error: ServiceError, address: string): ClientError =>
  new ClientError("unavailable", `cannot reach flintlockd at ${address}: ${errnoOf(error.details)}`, {
    hint: "check that the daemon runs and that the address is right",
    detail: { unreachable: address, ...(NEVER_SENT.test(error.details) && { sent: "never" }) },
    cause: error,
  });

/** grpc-js had no connection to send it on. */
const NEVER_SENT = /^No connection established|^Name resolution failed/;

/** The daemon has not seen the call, so that sending it again repeats nothing. */
export const wasNeverSent = (error: ClientError): boolean => error.detail["sent"] === "never";

/** No answer came, and none of the daemon's own: whether it has seen the call is not known. */
export const isUnreachable = (error: ClientError): boolean => error.detail["unreachable"] !== undefined;

const ERRNO_TEXT: Readonly<Record<string, string>> = {
  ENOENT: "no such socket",
  ECONNREFUSED: "connection refused",
  EACCES: "permission denied",
  ECONNRESET: "the connection broke",
};

const errnoOf = (details: string): string => {
  const errno = /\bE[A-Z]{4,}\b/.exec(details)?.[0] ?? "";
  const words = details.replace(/^No connection established\. Last error: (?:Error: )?/, "");
  return ERRNO_TEXT[errno] ?? (errno || words || "no connection");
};

const isServiceError = (error: unknown): error is ServiceError =>
  error instanceof Error &&
  "code" in error &&
  typeof error.code === "number" &&
  "details" in error &&
  typeof error.details === "string" &&
  (!("metadata" in error) || error.metadata === undefined || error.metadata instanceof Metadata);
