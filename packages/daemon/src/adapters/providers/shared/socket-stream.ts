import type { Socket } from "node:net";
import { type ByteStream, FlintlockError } from "@flintlock/core";

export interface SocketStreamOptions {
  /** What is connected, for errors */
  readonly name: string;
  /** False where a half-closed peer stops sending as well, as QEMU's sockets do: then `end` does nothing */
  readonly halfCloses: boolean;
}

/** A connected socket as a `ByteStream`, which owns it. Its errors are `unavailable`. */
export const socketStream = (socket: Socket, { name, halfCloses }: SocketStreamOptions): ByteStream => {
  const gone = (cause?: unknown): FlintlockError =>
    new FlintlockError("unavailable", `${name} is no longer connected`, { cause });
  // Between two reads nobody listens, and an unheard error would end the daemon.
  socket.on("error", () => {});
  return {
    bytes: (async function* () {
      try {
        for await (const chunk of socket) yield chunk as Uint8Array;
      } catch (cause) {
        throw gone(cause);
      }
    })(),
    write: async (bytes) =>
      await new Promise<void>((resolve, reject) => {
        if (!socket.writable) reject(gone());
        else socket.write(bytes, (cause) => (cause ? reject(gone(cause)) : resolve()));
      }),
    end: async () => {
      if (halfCloses) socket.end();
    },
    [Symbol.asyncDispose]: async () => void socket.destroy(),
  };
};
