/**
 * A client of QEMU's machine protocol (QEMU: docs/interop/qmp-spec.rst): JSON objects, one per line, over a
 * Unix socket that serves one client at a time. So a connection is short: open, ask, close.
 *
 * QEMU holds guest-made state and is not believed: lines are bounded, replies matched by id, waits limited.
 */
import type { Duplex } from "node:stream";
import { FlintlockError } from "@flintlock/core";

const MAX_LINE_BYTES = 1024 * 1024;
/** QEMU answers in milliseconds, unless another client holds the socket */
const REPLY_TIMEOUT_MS = 5000;

export interface QmpClient extends AsyncDisposable {
  /**
   * Runs one command and returns what it returned.
   * @throws FlintlockError `provider_failed` – QEMU refused; `unavailable` – no answer, or the connection is gone
   */
  execute(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown>;
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Speaks to QEMU over `socket`, which it owns from now on: waits for the greeting and enters command mode. */
export const openQmp = async (
  socket: Duplex,
  signal: AbortSignal,
  replyTimeoutMs: number = REPLY_TIMEOUT_MS,
): Promise<QmpClient> => {
  const waiting = new Map<number, Waiting>();
  let nextId = 1;
  let failure: FlintlockError | undefined;
  let greet: Waiting | undefined;

  const close = (reason: FlintlockError): void => {
    failure ??= reason;
    socket.destroy();
    for (const each of [greet, ...waiting.values()]) each?.reject(failure);
    greet = undefined;
    waiting.clear();
  };

  const onMessage = (message: Readonly<Record<string, unknown>>): void => {
    if ("QMP" in message) {
      greet?.resolve(undefined);
      greet = undefined;
      return;
    }
    // Events are not for us: what they say is asked of /proc and the status channel.
    const { id } = message;
    const waiter = typeof id === "number" ? waiting.get(id) : undefined;
    if (typeof id !== "number" || waiter === undefined) return;
    waiting.delete(id);
    if ("error" in message) waiter.reject(refusal(message["error"]));
    else waiter.resolve(message["return"]);
  };

  const lines = lineSplitter((line) => {
    const message = parseMessage(line);
    if (message === undefined) close(gone("it sent something that is not QMP"));
    else onMessage(message);
  });
  socket.on("data", (chunk: Buffer) => {
    if (!lines(chunk)) close(gone("it sent too long a line"));
  });
  socket.on("error", (cause) => close(gone(cause.message)));
  socket.on("end", () => close(gone("it closed the connection")));
  socket.on("close", () => close(gone("it closed the connection")));

  const answer = async (start: (waiter: Waiting) => void, what: string): Promise<unknown> => {
    if (failure !== undefined) throw failure;
    const late = setTimeout(
      () => close(gone(`no answer to ${what} within ${replyTimeoutMs} ms`)),
      replyTimeoutMs,
    );
    const onAbort = (): void => close(new FlintlockError("canceled", "canceled", { cause: signal.reason }));
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      signal.throwIfAborted();
      return await new Promise<unknown>((resolve, reject) => start({ resolve, reject }));
    } finally {
      clearTimeout(late);
      signal.removeEventListener("abort", onAbort);
    }
  };

  const execute: QmpClient["execute"] = (command, args) =>
    answer((waiter) => {
      const id = nextId++;
      waiting.set(id, waiter);
      socket.write(`${JSON.stringify({ execute: command, ...(args && { arguments: args }), id })}\n`);
    }, command);

  await answer((waiter) => {
    greet = waiter;
  }, "the greeting");
  await execute("qmp_capabilities");
  return {
    execute,
    [Symbol.asyncDispose]: async () => close(gone("we closed the connection")),
  };
};

/** Calls `onLine` for each whole line; false once a line is longer than allowed. */
const lineSplitter = (onLine: (line: string) => void): ((chunk: Buffer) => boolean) => {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (let end = rest.indexOf(0x0a); end !== -1; end = rest.indexOf(0x0a)) {
      const line = rest.toString("utf8", 0, end).trim();
      rest = rest.subarray(end + 1);
      if (line !== "") onLine(line);
    }
    return rest.length <= MAX_LINE_BYTES;
  };
};

const parseMessage = (line: string): Readonly<Record<string, unknown>> | undefined => {
  try {
    const value: unknown = JSON.parse(line);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
};

const refusal = (error: unknown): FlintlockError => {
  const words =
    typeof error === "object" && error !== null && "desc" in error
      ? String(error.desc).slice(0, 500)
      : "no reason";
  return new FlintlockError("provider_failed", "QEMU refused a command", { cause: new Error(words) });
};

const gone = (why: string): FlintlockError =>
  new FlintlockError("unavailable", "QEMU's control socket does not answer", { cause: new Error(why) });
