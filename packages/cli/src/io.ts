/** What the CLI touches of its process, so that a test can be the process. */

export interface Input extends NodeJS.ReadableStream {
  readonly isTTY?: boolean;
  setRawMode?(isRaw: boolean): unknown;
}

export interface Output extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  readonly destroyed?: boolean;
}

export interface SignalSource {
  on(signal: string, listener: () => void): unknown;
  off(signal: string, listener: () => void): unknown;
}

export interface Io {
  /** Without the program's name */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly signals: SignalSource;
  /** Ends the program at once. */
  exit(code: number): void;
}

export const processIo = (): Io => {
  // Each write reports its own failure; without a listener the same failure would crash the process as well.
  process.stdout.on("error", () => {});
  process.stderr.on("error", () => {});
  return {
    argv: process.argv.slice(2),
    env: process.env,
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    signals: process,
    exit: (code) => process.exit(code),
  };
};

/** Whoever read our output has gone, as in `flintlock logs x | head`. Not worth a word. */
export class OutputClosed extends Error {
  constructor(cause: unknown) {
    super("standard output was closed", { cause });
    this.name = "OutputClosed";
  }
}

const CLOSED_CODES: ReadonlySet<unknown> = new Set(["EPIPE", "EIO", "ERR_STREAM_DESTROYED", "ECONNRESET"]);

/**
 * Writes all of it and resolves once it has left this process, so that a slow reader slows us down.
 * @throws OutputClosed – nobody reads any more; the signal's reason when it aborts first
 */
export const writeAll = (stream: Output, data: Uint8Array | string, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const onAbort = () => reject(signal?.reason);
    if (signal?.aborted) return onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    stream.write(data, (error?: Error | null) => {
      signal?.removeEventListener("abort", onAbort);
      if (!error) resolve();
      else reject(CLOSED_CODES.has("code" in error ? error.code : "") ? new OutputClosed(error) : error);
    });
  });

const FLUSH_DEADLINE_MS = 2000;

/** Resolves when what was written is out, or nobody wants it any more. */
export const flushed = async (io: Io): Promise<void> => {
  const late = new Promise<void>((resolve) => setTimeout(resolve, FLUSH_DEADLINE_MS).unref());
  const one = (stream: Output) =>
    stream.destroyed ? Promise.resolve() : writeAll(stream, "").catch(() => {});
  await Promise.race([Promise.all([one(io.stdout), one(io.stderr)]), late]);
};
