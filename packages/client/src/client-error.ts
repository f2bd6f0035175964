/** What a call to the daemon can throw. Codes are the daemon's own (`docs/errors.md`), so programs match on them. */
export const CLIENT_ERROR_CODES = [
  "invalid_spec",
  "not_found",
  "already_exists",
  "conflict",
  "failed_precondition",
  "unauthenticated",
  "permission_denied",
  "unsupported",
  "exhausted",
  "unavailable",
  "deadline_exceeded",
  "canceled",
  "out_of_range",
  "data_loss",
  "provider_failed",
  "internal",
] as const;

export type ClientErrorCode = (typeof CLIENT_ERROR_CODES)[number];

export interface ClientErrorOptions {
  /** Path of the offending field, in wire names */
  readonly field?: string | undefined;
  /** What to do next, one sentence */
  readonly hint?: string | undefined;
  /** Ids, limits and names the daemon gave */
  readonly detail?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

export class ClientError extends Error {
  readonly code: ClientErrorCode;
  readonly field: string | undefined;
  readonly hint: string | undefined;
  readonly detail: Readonly<Record<string, string>>;

  constructor(code: ClientErrorCode, message: string, options: ClientErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "ClientError";
    this.code = code;
    this.field = options.field;
    this.hint = options.hint;
    this.detail = options.detail ?? {};
  }
}

export const isClientErrorCode = (text: string): text is ClientErrorCode =>
  (CLIENT_ERROR_CODES as readonly string[]).includes(text);
