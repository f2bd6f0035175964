/**
 * The host side of the agent channel: many streams over one byte pipe to the guest (docs/guest-protocol.md).
 *
 * Each connection starts with a HELLO that carries a nonce. All that arrives before the guest's answer belongs
 * to an earlier connection, possibly torn in the middle of a frame, and is dropped: the nonce, not
 * the framing, says where ours begins.
 *
 * The guest is hostile. Each stream holds at most its window; there are only streams that we opened; what the
 * guest makes us answer is bounded; and the first frame that breaks the protocol closes the channel.
 */
import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import { type ByteStream, FlintlockError } from "@flintlock/core";
import {
  encodeFrame,
  FRAME,
  type Frame,
  frameParser,
  HEADER_BYTES,
  MAX_PAYLOAD_BYTES,
  u32,
} from "./mux-frames.ts";
import { createMuxStream, type MuxStream, WINDOW_BYTES } from "./mux-stream.ts";

const NONCE_BYTES = 16;
const HELLO_TIMEOUT_MS = 10_000;
const MAX_STREAMS = 256;
const MAX_RESET_TEXT = 200;
/** A guest that makes us answer and never reads would fill our memory: windows for 85 GB it sent */
const MAX_UNSENT_BYTES = 4 * 1024 * 1024;
const LAST_STREAM_ID = 0xffffffff;
/** What may still be on its way when a stream is closed: its window, even in the smallest frames there are */
const LATE_BYTES = WINDOW_BYTES * (1 + HEADER_BYTES);

export interface GuestMux extends AsyncDisposable {
  /** False once the channel is lost; then every stream has failed and a new channel is needed. */
  readonly isOpen: boolean;
  /** Resolves when it is lost or closed. */
  readonly closed: Promise<void>;
  /**
   * A stream to a guest port. A port that nobody serves shows at the first read, as `unavailable`.
   * @throws FlintlockError `unavailable` – the channel is lost; `exhausted` – too many streams
   */
  open(port: number): ByteStream;
}

/**
 * Opens the channel over `socket`, which it owns from now on.
 * @throws FlintlockError `unavailable` – the guest does not answer within `helloTimeoutMs`
 */
export const openMux = async (
  socket: Duplex,
  signal: AbortSignal,
  helloTimeoutMs: number = HELLO_TIMEOUT_MS,
): Promise<GuestMux> => {
  const streams = new Map<number, MuxStream>();
  const parse = frameParser();
  const nonce = randomBytes(NONCE_BYTES);
  const findHello = helloFinder(nonce);
  let lastId = 0;
  let lateAllowance = 0;
  let failure: FlintlockError | undefined;
  let drains: (() => void)[] = [];
  let onGreeted: () => void = () => {};
  let onClosed: () => void = () => {};
  const closed = new Promise<void>((resolve) => {
    onClosed = resolve;
  });

  const releaseWriters = (): void => {
    const waiting = drains;
    drains = [];
    for (const each of waiting) each();
  };
  const close = (reason: FlintlockError): void => {
    if (failure !== undefined) return;
    failure = reason;
    socket.destroy();
    for (const stream of [...streams.values()]) stream.fail(reason);
    releaseWriters();
    onClosed();
  };
  const post = (bytes: Uint8Array): void => {
    if (failure !== undefined) return;
    socket.write(bytes);
    if (socket.writableLength > MAX_UNSENT_BYTES) close(lost("the guest does not read"));
  };

  let isGreeted = false;
  socket.on("data", (chunk: Buffer) => {
    if (failure !== undefined) return;
    try {
      const rest = isGreeted ? chunk : findHello(chunk);
      if (rest === undefined) return;
      if (!isGreeted) {
        isGreeted = true;
        onGreeted();
      }
      for (const frame of parse(rest)) {
        if (dispatch(frame, streams, lastId)) continue;
        lateAllowance -= HEADER_BYTES + frame.payload.length;
        if (lateAllowance < 0) throw new Error("no end of frames for streams that are closed");
      }
    } catch (cause) {
      close(lost("the guest broke the agent protocol", cause));
    }
  });
  socket.on("drain", releaseWriters);
  socket.on("error", (cause) => close(lost("the agent channel failed", cause)));
  socket.on("end", () => close(lost("the VMM closed the agent channel")));
  socket.on("close", () => close(lost("the VMM closed the agent channel")));

  const greeted = new Promise<void>((resolve) => {
    onGreeted = resolve;
  });
  // Zeros first: a guest parser that an earlier host left in the middle of a frame reaches its end.
  post(Buffer.alloc(HEADER_BYTES + MAX_PAYLOAD_BYTES));
  post(encodeFrame(FRAME.hello, 0, nonce));
  const timer = setTimeout(() => close(lost("the guest agent does not answer")), helloTimeoutMs);
  const onAbort = (): void => close(new FlintlockError("canceled", "canceled", { cause: signal.reason }));
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  await Promise.race([greeted, closed]);
  clearTimeout(timer);
  signal.removeEventListener("abort", onAbort);
  if (failure !== undefined) throw failure;

  return {
    get isOpen() {
      return failure === undefined;
    },
    closed,
    open(port) {
      if (failure !== undefined) throw failure;
      if (streams.size >= MAX_STREAMS || lastId === LAST_STREAM_ID) {
        throw new FlintlockError("exhausted", `a microVM serves at most ${MAX_STREAMS} sessions at once`);
      }
      const id = ++lastId;
      const stream = createMuxStream(id, {
        post,
        drained: async () => {
          if (socket.writableNeedDrain) await new Promise<void>((resolve) => drains.push(resolve));
        },
        done: () => {
          streams.delete(id);
          lateAllowance = Math.min(lateAllowance, MAX_STREAMS * LATE_BYTES) + LATE_BYTES;
        },
      });
      streams.set(id, stream);
      post(encodeFrame(FRAME.open, id, u32(port)));
      return stream.bytes;
    },
    [Symbol.asyncDispose]: async () => close(lost("the agent channel was closed")),
  };
};

/** Hands a frame to its stream; false when it is closed, throws when there can be none. */
const dispatch = (
  { kind, stream: id, payload }: Frame,
  streams: Map<number, MuxStream>,
  lastId: number,
): boolean => {
  const stream = streams.get(id);
  // Late frames of a stream that we have reset are in flight, quite legally.
  if (stream === undefined && (id === 0 || id > lastId))
    throw new Error(`a frame for stream ${id}, never opened`);
  if (kind === FRAME.data) stream?.onData(payload);
  else if (kind === FRAME.eof) stream?.onEof();
  else if (kind === FRAME.window) stream?.onWindow(windowOf(payload));
  else if (kind === FRAME.reset) stream?.fail(resetError(payload));
  else throw new Error(`a guest does not send frames of kind ${kind}`);
  return stream !== undefined;
};

const windowOf = (payload: Uint8Array): number => {
  if (payload.length !== 4) throw new Error("a window of the wrong length");
  return Buffer.from(payload).readUInt32BE();
};

/** Drops bytes up to and including the HELLO_ACK that carries `nonce`; then yields what follows. */
const helloFinder = (nonce: Uint8Array): ((chunk: Buffer) => Buffer | undefined) => {
  const ack = Buffer.from(encodeFrame(FRAME.helloAck, 0, nonce));
  let tail = Buffer.alloc(0);
  return (chunk) => {
    const bytes = Buffer.concat([tail, chunk]);
    const at = bytes.indexOf(ack);
    if (at !== -1) return bytes.subarray(at + ack.length);
    tail = Buffer.from(bytes.subarray(Math.max(0, bytes.length - ack.length + 1)));
    return undefined;
  };
};

const resetError = (payload: Uint8Array): FlintlockError => {
  const text = Buffer.from(payload.subarray(0, MAX_RESET_TEXT))
    .toString("utf8")
    .replace(/\p{C}+/gu, " ");
  return new FlintlockError("unavailable", `the guest ended the session${text === "" ? "" : `: ${text}`}`);
};

const lost = (what: string, cause?: unknown): FlintlockError =>
  new FlintlockError("unavailable", what, { cause });
