/**
 * One stream of the agent channel, host side.
 *
 * INVARIANTS
 * - The guest may have at most WINDOW_BYTES unread here: that is all we ever hold of it.
 * - We send no DATA beyond the window the guest gave, and none after EOF or RESET.
 */
import { type ByteStream, FlintlockError } from "@flintlock/core";
import { encodeFrame, FRAME, type FrameKind, MAX_PAYLOAD_BYTES, u32 } from "./mux-frames.ts";

export const WINDOW_BYTES = 65536;
/** Credit is given back in halves of the window: few frames, and never a stall */
const CREDIT_STEP = WINDOW_BYTES / 2;
const MAX_CHUNKS = 256;
/** More than any window we could use; beyond it the guest plays games */
const MAX_SEND_WINDOW = 2 ** 31;

/** What the channel's reader tells the stream. Throws when the guest broke the protocol. */
export interface MuxStream {
  readonly bytes: ByteStream;
  onData(payload: Uint8Array): void;
  onEof(): void;
  onWindow(bytes: number): void;
  /** Ends it at once: the guest's RESET, or the loss of the channel. */
  fail(error: FlintlockError): void;
}

export interface MuxPipe {
  /** Queues a frame. */
  post(frame: Uint8Array): void;
  /** Resolves while the channel takes more. */
  drained(): Promise<void>;
  /** The stream is over: forget it. */
  done(): void;
}

export const createMuxStream = (id: number, pipe: MuxPipe): MuxStream => {
  const queue: Uint8Array[] = [];
  let receiveWindow = WINDOW_BYTES;
  let credit = 0;
  let sendWindow = WINDOW_BYTES;
  let remoteEnded = false;
  let localEnded = false;
  let failure: FlintlockError | undefined;
  let wakers: (() => void)[] = [];
  let writes: Promise<void> = Promise.resolve();

  const wake = (): void => {
    const waiting = wakers;
    wakers = [];
    for (const each of waiting) each();
  };
  const change = (): Promise<void> => new Promise((resolve) => wakers.push(resolve));
  const post = (kind: FrameKind, payload?: Uint8Array): void => pipe.post(encodeFrame(kind, id, payload));

  const fail = (error: FlintlockError): void => {
    if (failure !== undefined) return;
    failure = error;
    pipe.done();
    wake();
  };
  const finish = (): void => {
    if (localEnded && remoteEnded && failure === undefined) pipe.done();
  };

  const giveCredit = (bytes: number): void => {
    credit += bytes;
    if (credit < CREDIT_STEP || remoteEnded || failure !== undefined) return;
    receiveWindow += credit;
    post(FRAME.window, u32(credit));
    credit = 0;
  };

  const read = async function* (): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = queue.shift();
      if (chunk !== undefined) {
        giveCredit(chunk.length);
        yield chunk;
      } else if (failure !== undefined) throw failure;
      else if (remoteEnded) return;
      else await change();
    }
  };

  const send = async (bytes: Uint8Array): Promise<void> => {
    for (let at = 0; at < bytes.length; ) {
      if (failure !== undefined) throw failure;
      if (localEnded) throw new FlintlockError("failed_precondition", "the stream was ended");
      if (sendWindow === 0) {
        await change();
        continue;
      }
      const length = Math.min(MAX_PAYLOAD_BYTES, sendWindow, bytes.length - at);
      sendWindow -= length;
      post(FRAME.data, bytes.subarray(at, at + length));
      at += length;
      await pipe.drained();
    }
    if (failure !== undefined) throw failure;
  };

  /** Writes go out in the order of their calls, one after another. */
  const inTurn = (work: () => Promise<void>): Promise<void> => {
    const turn = writes.then(work);
    writes = turn.catch(() => {}); // Whoever called has the rejection.
    return turn;
  };

  return {
    bytes: {
      bytes: read(),
      write: (bytes) => inTurn(() => send(bytes)),
      end: () =>
        inTurn(async () => {
          if (localEnded || failure !== undefined) return;
          localEnded = true;
          post(FRAME.eof);
          finish();
        }),
      [Symbol.asyncDispose]: async () => {
        const isOver = failure !== undefined || (localEnded && remoteEnded);
        if (!isOver) post(FRAME.reset);
        queue.length = 0;
        fail(new FlintlockError("canceled", "the stream was closed"));
      },
    },
    onData(payload) {
      if (remoteEnded) throw new Error("data after end of file");
      // They cost no window: there would be no end of them.
      if (payload.length === 0) throw new Error("data without a byte");
      if (payload.length > receiveWindow) throw new Error("more data than its window");
      receiveWindow -= payload.length;
      queue.push(payload);
      // A window of one-byte frames would cost a hundred times its size in small buffers.
      if (queue.length >= MAX_CHUNKS) queue.splice(0, queue.length, Buffer.concat(queue));
      wake();
    },
    onEof() {
      if (remoteEnded) throw new Error("a second end of file");
      remoteEnded = true;
      finish();
      wake();
    },
    onWindow(bytes) {
      if (bytes === 0) throw new Error("a window that adds nothing");
      sendWindow += bytes;
      if (sendWindow > MAX_SEND_WINDOW) throw new Error("an absurd window");
      wake();
    },
    fail,
  };
};
