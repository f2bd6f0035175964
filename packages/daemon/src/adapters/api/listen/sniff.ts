/** Two protocols on one socket: the HTTP/2 preface (RFC 9113, 3.4) starts with bytes no HTTP/1.1 request does. */
import type { Socket } from "node:net";

export interface Protocols {
  http2(socket: Socket): void;
  http1(socket: Socket): void;
}

const PREFACE = Buffer.from("PRI");

/** Hands the socket on, unread, once its first bytes tell; a client that sends none in time is dropped. */
export const sniff = (socket: Socket, timeoutMs: number, { http2, http1 }: Protocols): void => {
  const timer = setTimeout(() => socket.destroy(), timeoutMs);
  let seen = Buffer.alloc(0);
  const stop = (): void => {
    clearTimeout(timer);
    socket.off("data", onData);
    socket.off("end", stop);
    socket.off("close", stop);
  };
  const onData = (chunk: Buffer): void => {
    seen = Buffer.concat([seen, chunk]);
    const length = Math.min(seen.byteLength, PREFACE.byteLength);
    const isPreface = seen.subarray(0, length).equals(PREFACE.subarray(0, length));
    if (isPreface && length < PREFACE.byteLength) return;
    stop();
    socket.pause();
    socket.unshift(seen);
    if (isPreface) {
      http2(socket);
    } else {
      http1(socket);
      socket.resume();
    }
  };
  socket.on("data", onData);
  socket.on("end", stop);
  socket.on("close", stop);
};
