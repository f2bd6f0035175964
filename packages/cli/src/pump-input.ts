import type { Input } from "./io.ts";

/** Small enough for a frame to the guest, large enough to fill the pipe. */
const MAX_CHUNK_BYTES = 32 * 1024;

/**
 * Hands `input` to `send`, piece by piece, reading no more while `send` is under way, then calls `atEnd`.
 * The returned function stops it and leaves `input` paused.
 */
export const pumpInput = (
  input: Input,
  send: (bytes: Uint8Array) => Promise<void>,
  atEnd: () => void,
): (() => void) => {
  let isStopped = false;
  let hasEnded = false;
  let sending: Promise<void> | undefined;

  const finish = () => {
    if (isStopped) return;
    isStopped = true;
    atEnd();
  };
  const onData = (chunk: Uint8Array | string) => {
    input.pause();
    sending = forward(typeof chunk === "string" ? Buffer.from(chunk) : chunk);
  };
  const forward = async (bytes: Uint8Array) => {
    try {
      for (let at = 0; at < bytes.length && !isStopped; at += MAX_CHUNK_BYTES) {
        await send(bytes.subarray(at, at + MAX_CHUNK_BYTES));
      }
    } catch {
      // The call is over; its end is reported by whoever reads its answers.
      isStopped = true;
      return;
    }
    sending = undefined;
    if (hasEnded) finish();
    else if (!isStopped) input.resume();
  };
  const onEnd = () => {
    hasEnded = true;
    if (sending === undefined) finish();
  };
  input.on("data", onData);
  input.on("end", onEnd);
  // A read error (a terminal that went away) is the end of what can be read.
  input.on("error", onEnd);
  // A stream that was paused before does not start by itself.
  input.resume();
  return () => {
    isStopped = true;
    input.removeListener("data", onData);
    input.removeListener("end", onEnd);
    input.removeListener("error", onEnd);
    input.pause();
  };
};
