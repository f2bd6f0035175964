/** Failures the CLI finds by itself. The daemon's come as `ClientError`; both are told apart by `code`. */

export interface CliErrorOptions {
  /** What led to it, in the host's words */
  readonly why?: string | undefined;
  /** What to do next */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

export class CliError extends Error {
  /** One of the daemon's codes, or `usage` */
  readonly code: string;
  readonly why: string | undefined;
  readonly hint: string | undefined;

  constructor(code: string, message: string, options: CliErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "CliError";
    this.code = code;
    this.why = options.why;
    this.hint = options.hint;
  }
}

/** The command line makes no sense. */
export const usageError = (message: string, hint?: string): CliError =>
  new CliError("usage", message, { hint });

/** A signal asked us to stop. */
export class Interrupted extends Error {
  /** A name such as `INT` */
  readonly signalName: string;

  constructor(signalName: string) {
    super("interrupted");
    this.name = "Interrupted";
    this.signalName = signalName;
  }
}

/** The code of any error with one, else `internal`. Narrows by shape: errors cross bundles and packages. */
export const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "internal";
