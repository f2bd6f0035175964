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

/** A field that breaks a rule: its path in wire names, such as `microvm.vcpu`, and what would be right. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

export interface ClientErrorOptions {
  /** The daemon's own word, where it is none of our codes */
  readonly reason?: string | undefined;
  /** Path of the offending field, in wire names; left out, that of the first violation */
  readonly field?: string | undefined;
  readonly violations?: readonly FieldViolation[];
  /** The step that failed, as in `flintlock explain`; left out, the daemon's `detail.step` */
  readonly step?: string | undefined;
  /** What led to it, in the host's or the guest's words */
  readonly why?: string | undefined;
  /** What to do next, one sentence */
  readonly hint?: string | undefined;
  /** After how long the daemon says that trying again may help, in milliseconds */
  readonly retryAfterMs?: number | undefined;
  /** Ids, limits and names the daemon gave */
  readonly detail?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

export class ClientError extends Error {
  readonly code: ClientErrorCode;
  /** As `code`, but for a newer daemon's codes that this client does not know: those are here as they came */
  readonly reason: string;
  readonly field: string | undefined;
  /** All that was wrong with the request; empty for other errors */
  readonly violations: readonly FieldViolation[];
  readonly step: string | undefined;
  readonly why: string | undefined;
  readonly hint: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly detail: Readonly<Record<string, string>>;

  constructor(code: ClientErrorCode, message: string, options: ClientErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    const { violations = [], detail = {} } = options;
    this.name = "ClientError";
    this.code = code;
    this.reason = options.reason || code;
    this.field = options.field ?? violations[0]?.field;
    this.violations = violations;
    this.step = options.step ?? detail["step"];
    this.why = options.why;
    this.hint = options.hint;
    this.retryAfterMs = options.retryAfterMs;
    this.detail = detail;
  }

  /** The same request may succeed later, unchanged. Whether it may be *sent* again is another question: docs/sdk.md */
  get retriable(): boolean {
    return this.retryAfterMs !== undefined || RETRIABLE_CODES.has(this.code);
  }
}

/** As in the last column of docs/errors.md. */
const RETRIABLE_CODES: ReadonlySet<ClientErrorCode> = new Set(["unavailable", "exhausted", "conflict"]);

export const isClientErrorCode = (text: string): text is ClientErrorCode =>
  (CLIENT_ERROR_CODES as readonly string[]).includes(text);
