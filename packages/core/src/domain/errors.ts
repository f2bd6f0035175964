/**
 * One base class and a closed set of codes. A new code is added only when a *program* must act on it.
 *
 * `message` is for the caller: what failed and what would be right. `hint` is what to do next. The host's
 * own words (paths, a tool's stderr) go into `cause`, for the log.
 */
export const ERROR_CODES = {
  invalid_spec: "a field breaks a rule; detail.field is its path",
  not_found: "no such microVM, image, or file in an image",
  already_exists: "the name or id is taken",
  conflict: "the record moved under us; read it again",
  failed_precondition: "the right call in the wrong state",
  unauthenticated: "no credentials, or wrong ones",
  permission_denied: "a known caller who may not do this",
  unsupported: "the provider or host lacks a capability",
  exhausted: "no memory, space, address or slot is left",
  unavailable: "a registry, a VMM or the daemon cannot be reached",
  deadline_exceeded: "our own deadline passed",
  canceled: "the caller's signal",
  out_of_range: "a position whose events are no longer kept, or that is still to come; list anew",
  data_loss: "a digest, size or format check failed; nothing of it was kept",
  provider_failed: "the VMM refused or died; cause has its words",
  internal: "a bug of ours",
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** One field that breaks a rule: its path in wire names, such as `interfaces[1].device_id`, and what would be right. */
export interface Violation {
  readonly field: string;
  readonly problem: string;
}

export interface ErrorOptions {
  /** Safe for the caller: ids, limits, names. `field` is the path of the offending field */
  readonly detail?: Readonly<Record<string, string | number>>;
  /** What to do next, one sentence */
  readonly hint?: string | undefined;
  /** All that was found wrong with a request; left out, `detail.field` alone */
  readonly violations?: readonly Violation[];
  readonly cause?: unknown;
}

export class FlintlockError extends Error {
  readonly code: ErrorCode;
  readonly detail: Readonly<Record<string, string | number>>;
  readonly hint: string | undefined;
  readonly violations: readonly Violation[];

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "FlintlockError";
    this.code = code;
    this.detail = options.detail ?? {};
    this.hint = options.hint;
    const field = this.detail["field"];
    this.violations = options.violations ?? (typeof field === "string" ? [{ field, problem: message }] : []);
  }
}

/** A field breaks a rule. `field` is a path such as `interfaces[1].device_id`, in wire names. */
export const invalidField = (field: string, problem: string): FlintlockError =>
  new FlintlockError("invalid_spec", `${field}: ${problem}`, {
    detail: { field },
    violations: [{ field, problem }],
  });

export const notFound = (what: string): FlintlockError =>
  new FlintlockError("not_found", `${what} not found`);

/** The single funnel from `unknown`: every entrance (RPC, HTTP, reconcile, CLI) calls it once. */
export const toFlintlockError = (error: unknown): FlintlockError => {
  if (error instanceof FlintlockError) return error;
  if (isAbort(error)) return new FlintlockError("canceled", "canceled", { cause: error });
  const words = error instanceof Error ? error.message : String(error);
  return new FlintlockError("internal", `internal error: ${words}`, { cause: error });
};

const isAbort = (error: unknown): boolean =>
  typeof error === "object" && error !== null && "name" in error && error.name === "AbortError";
