/** A fault of the network or of a busy server: worth another try, until the tries run out. */
export class TransportError extends Error {
  /** What the server asked us to wait, milliseconds */
  readonly retryAfterMs: number | undefined;

  constructor(
    message: string,
    options: { readonly cause?: unknown; readonly retryAfterMs?: number | undefined } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = "TransportError";
    this.retryAfterMs = options.retryAfterMs;
  }
}
