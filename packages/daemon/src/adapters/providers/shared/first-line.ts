import type { Socket } from "node:net";

const NEWLINE = 10;

/**
 * What a paused socket says first, up to its newline, as Latin-1; what follows stays in the socket, which is paused
 * again. Longer than `maxBytes` it is cut there. Undefined: the peer ended before.
 * @throws the signal's reason
 */
export const readFirstLine = (
  socket: Socket,
  maxBytes: number,
  signal: AbortSignal,
): Promise<string | undefined> =>
  new Promise((resolve, reject) => {
    let have = Buffer.alloc(0);
    const settle = (): void => {
      socket.pause();
      socket.off("data", onData).off("end", onEnd).off("close", onEnd);
      signal.removeEventListener("abort", onAbort);
    };
    const onEnd = (): void => {
      settle();
      resolve(undefined);
    };
    const onAbort = (): void => {
      settle();
      reject(signal.reason);
    };
    const onData = (chunk: Buffer): void => {
      have = Buffer.concat([have, chunk]);
      const end = have.indexOf(NEWLINE);
      if (end === -1 && have.length <= maxBytes) return;
      settle();
      const rest = have.subarray(end + 1);
      if (end !== -1 && rest.length > 0) socket.unshift(rest);
      resolve(have.subarray(0, Math.min(end === -1 ? maxBytes : end, maxBytes)).toString("latin1"));
    };
    socket.on("data", onData).on("end", onEnd).on("close", onEnd);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    else if (socket.destroyed) onEnd();
    else socket.resume();
  });
