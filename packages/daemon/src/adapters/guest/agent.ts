/** The host's side of the guest agent: one request per stream to `AGENT_PORT` (docs/guest-protocol.md). */
import {
  type ByteStream,
  type ExecOutput,
  FlintlockError,
  type GuestSessions,
  type ProcessOutput,
  type ProcessSession,
  type TerminalSize,
} from "@flintlock/core";
import {
  CHUNK_BYTES,
  CONTROL,
  type ControlFrame,
  encodeControl,
  encodeJson,
  readControlFrames,
} from "./control-frames.ts";

const MAX_ANSWER_BYTES = 64 * 1024;
/** An agent answers in milliseconds, on a host with sixteen busy guests in seconds */
const ANSWER_MS = 10_000;
/** In a session; an agent newer than we are says such things now and then */
const MAX_UNKNOWN_FRAMES = 1000;
const MAX_MESSAGE_LENGTH = 300;
const MAX_TERMINAL = 65535;

/**
 * Joins the main process's stdio. The session owns `stream`. A guest that has nothing to attach to says so in
 * place of output: the first read throws `failed_precondition`.
 */
export const attach: GuestSessions["attach"] = async (stream, terminal, signal) => {
  const body = { op: "attach", attach: terminal === undefined ? {} : sizeOf(terminal) };
  await unlessAborted(request(stream, body), stream, signal);
  return { ...session(stream), output: outputs(stream) };
};

/** Runs a command in the guest. The session owns `stream`. */
export const exec: GuestSessions["exec"] = async (stream, wanted, signal) => {
  const body = {
    op: "exec",
    exec: {
      cmd: wanted.cmd,
      args: wanted.args,
      ...(wanted.cwd !== undefined && { cwd: wanted.cwd }),
      env: wanted.env,
      shell: wanted.isShell,
      ...(wanted.user !== undefined && { user: wanted.user }),
      timeout_sec: wanted.timeoutSeconds,
      has_stdin: wanted.hasStdin,
      ...(wanted.terminal !== undefined && { tty: sizeOf(wanted.terminal) }),
    },
  };
  await unlessAborted(request(stream, body), stream, signal);
  return { ...session(stream), output: execOutputs(stream) };
};

/** Connects to a port of the guest's loopback. The result owns `stream`. */
export const forward: GuestSessions["forward"] = async (stream, port, signal) => {
  const frames = framesOf(stream);
  const opened = async (): Promise<void> => {
    await request(stream, { op: "forward", forward: { port } });
    for (;;) {
      const { done, value: frame } = await frames.next();
      if (done) throw broken("the guest closed the stream without an answer to forward");
      if (frame.type === CONTROL.connected) return;
      if (frame.type === CONTROL.error) throw notForwarded(message(jsonOf(frame.payload)["msg"]));
      throw broken("the guest sent something else than an answer to forward");
    }
  };
  try {
    await unlessAborted(opened(), stream, signal);
  } catch (error) {
    await stream[Symbol.asyncDispose]();
    throw error;
  }
  const { stdin, endStdin, [Symbol.asyncDispose]: dispose } = session(stream);
  return { bytes: forwarded(frames), write: stdin, end: endStdin, [Symbol.asyncDispose]: dispose };
};

const forwarded = async function* (frames: AsyncGenerator<ControlFrame>): AsyncGenerator<Uint8Array> {
  for (;;) {
    const { done, value: frame } = await frames.next();
    if (done) throw broken("the guest closed a connection without its end");
    if (frame.type === CONTROL.exit) return;
    if (frame.type === CONTROL.error) throw notForwarded(message(jsonOf(frame.payload)["msg"]));
    if (frame.type === CONTROL.stdout) yield frame.payload;
  }
};

/** Ours begins with the operation; another agent refuses an operation that it does not know, in words of its own. */
const notForwarded = (words: string): FlintlockError => {
  if (words.startsWith("forward: "))
    return new FlintlockError("unavailable", words.slice("forward: ".length));
  return new FlintlockError("unsupported", `the guest agent cannot forward ports: ${words}`, {
    hint: "start the microVM with the kernel image that comes with this daemon",
  });
};

/** Asks the guest to end its main process and power off; resolves once it has agreed. Closes `stream`. */
export const poweroff = async (stream: ByteStream): Promise<void> => void (await ask(stream, "poweroff"));

/** Resolves when the agent answers. Closes `stream`. */
export const ping = async (stream: ByteStream): Promise<void> => void (await ask(stream, "ping"));

/**
 * Sets the guest's wall clock to `milliseconds` since 1970, as late as the request takes: for a guest that was paused.
 * Closes `stream`.
 * @throws FlintlockError `failed_precondition` – not between 2020 and 2100, or an agent that cannot
 */
export const setClock = async (stream: ByteStream, milliseconds: number): Promise<void> => {
  const sec = Math.floor(milliseconds / 1000);
  const nsec = Math.floor((milliseconds - sec * 1000) * 1_000_000);
  await ask(stream, "clock", { clock: { sec, nsec } });
};

/** What the agent says of itself, as the guest's own words: not to be believed. Closes `stream`. */
export const info = async (stream: ByteStream): Promise<string> => await ask(stream, "info");

/** @see GuestSessions.extensions */
export const extensions: GuestSessions["extensions"] = async (stream, signal) => {
  let found: unknown;
  await unlessAborted(
    info(stream).then((text) => {
      found = jsonOf(Buffer.from(text))["extensions"];
    }),
    stream,
    AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
  );
  return new Set(Array.isArray(found) ? found.filter((one) => typeof one === "string") : []);
};

/** Closes the stream when the signal aborts first: that ends `work` as well. */
const unlessAborted = async (work: Promise<void>, stream: ByteStream, signal: AbortSignal): Promise<void> => {
  const onAbort = (): void => void stream[Symbol.asyncDispose]();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    if (signal.aborted) onAbort();
    await work;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
};

export const request = async (stream: ByteStream, body: Readonly<Record<string, unknown>>): Promise<void> =>
  await stream.write(encodeJson(CONTROL.request, { version: 1, ...body }));

/** One request, its stdout as text, exit 0. Closes `stream`. */
export const ask = async (
  stream: ByteStream,
  op: string,
  details: Readonly<Record<string, unknown>> = {},
): Promise<string> => {
  await using owned = stream;
  await request(owned, { op, ...details });
  let text = "";
  for await (const output of outputs({ ...owned, bytes: bounded(owned.bytes, op) })) {
    if (output.kind === "exit") {
      if (output.code === 0) return text;
      throw new FlintlockError("provider_failed", `the guest agent's ${op} ended with ${output.code}`);
    }
    if (output.kind === "stdout") text += Buffer.from(output.bytes).toString("utf8");
  }
  throw broken(`no answer to ${op}`);
};

/** Whatever kind of frames it is that does not end. */
const bounded = async function* (bytes: AsyncIterable<Uint8Array>, op: string): AsyncGenerator<Uint8Array> {
  let length = 0;
  for await (const chunk of bytes) {
    length += chunk.length;
    if (length > MAX_ANSWER_BYTES) throw broken(`the answer to ${op} is too long`);
    yield chunk;
  }
};

export const session = (stream: ByteStream): Omit<ProcessSession, "output"> => ({
  async stdin(bytes) {
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      await stream.write(encodeControl(CONTROL.stdin, bytes.subarray(at, at + CHUNK_BYTES)));
    }
  },
  endStdin: () => stream.write(encodeControl(CONTROL.stdinEof)),
  resize: (size) => stream.write(encodeJson(CONTROL.resize, sizeOf(size))),
  signal: (name) => stream.write(encodeJson(CONTROL.signal, { signal: name.replace(/^SIG/, "") })),
  [Symbol.asyncDispose]: () => stream[Symbol.asyncDispose](),
});

/** As `execOutputs`; an agent that refuses is thrown. */
const outputs = async function* (stream: ByteStream): AsyncGenerator<ProcessOutput> {
  for await (const output of execOutputs(stream)) {
    if (output.kind !== "error") yield output;
    else throw refused(output.message);
  }
};

/** Of an operation that it does not know, an agent says so in these words: ours and upstream's. */
const refused = (words: string): FlintlockError =>
  new FlintlockError(
    words.startsWith("unknown op") ? "unsupported" : "failed_precondition",
    `the guest agent refused: ${words}`,
  );

/** Output in order; the last is `exit`. Throws when the stream ends without one. */
export const execOutputs = async function* (stream: ByteStream): AsyncGenerator<ExecOutput> {
  let unknown = 0;
  for await (const frame of framesOf(stream)) {
    const output = outputOf(frame);
    if (output !== undefined) yield output;
    else if (++unknown > MAX_UNKNOWN_FRAMES) throw broken("no end of frames that nobody knows");
    if (output?.kind === "exit") return;
  }
  throw new FlintlockError("unavailable", "the guest closed the session without an exit code");
};

/** Frames, with a breach of the agent's framing told as one; the stream's own errors pass. */
const framesOf = async function* (stream: ByteStream): AsyncGenerator<ControlFrame> {
  try {
    yield* readControlFrames(stream.bytes);
  } catch (error) {
    throw error instanceof FlintlockError ? error : broken("the guest agent broke its protocol", error);
  }
};

const outputOf = ({ type, payload }: ControlFrame): ExecOutput | undefined => {
  switch (type) {
    case CONTROL.stdout:
      return { kind: "stdout", bytes: payload };
    case CONTROL.stderr:
      return { kind: "stderr", bytes: payload };
    case CONTROL.exit:
      return { kind: "exit", code: exitCode(jsonOf(payload)["code"]) };
    case CONTROL.error:
      return { kind: "error", message: message(jsonOf(payload)["msg"]) };
    default:
      return undefined; // An agent newer than we are.
  }
};

const exitCode = (value: unknown): number => {
  if (typeof value === "number" && Number.isInteger(value) && value >= -1 && value <= 255) return value;
  throw broken("the guest agent sent an exit code that is none");
};

const jsonOf = (payload: Uint8Array): Readonly<Record<string, unknown>> => {
  try {
    const value: unknown = JSON.parse(Buffer.from(payload).toString("utf8"));
    if (typeof value === "object" && value !== null) return value as Readonly<Record<string, unknown>>;
  } catch (cause) {
    throw broken("the guest agent sent something that is not JSON", cause);
  }
  throw broken("the guest agent sent something that is not an object");
};

/** The guest's words, fit for a terminal. */
export const message = (value: unknown): string =>
  typeof value === "string" ? value.replace(/\p{C}+/gu, " ").slice(0, MAX_MESSAGE_LENGTH) : "no reason given";

const sizeOf = ({ rows, columns }: TerminalSize): { rows: number; cols: number } => ({
  rows: Math.max(1, Math.min(MAX_TERMINAL, Math.trunc(rows))),
  cols: Math.max(1, Math.min(MAX_TERMINAL, Math.trunc(columns))),
});

export const broken = (what: string, cause?: unknown): FlintlockError =>
  new FlintlockError("unavailable", what, { cause });
