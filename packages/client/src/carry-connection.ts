/** One connection between a socket of this host and a port of a guest's loopback, half-closes included. */
import type { Socket } from "node:net";
import type { Client } from "./create-client.ts";

export interface Carried {
  readonly target: string;
  /** In the guest */
  readonly port: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Resolves when both sides have ended, or the socket has gone. The socket must allow half-open ends.
 * @throws ClientError – the guest's port refused it, or the connection broke; the socket is destroyed then
 */
export const carryConnection = async (
  client: Client,
  socket: Socket,
  { target, port, signal }: Carried,
): Promise<void> => {
  socket.on("error", () => {}); // Its iteration and its writes report it.
  const end = new AbortController();
  socket.once("close", (hadError) => {
    if (hadError || !socket.readableEnded) end.abort();
  });
  try {
    const either = signal === undefined ? end.signal : AbortSignal.any([signal, end.signal]);
    const call = client.microvms.forward({ signal: either });
    await call.write({ payload: { case: "start", value: { target, namespace: "", port } } });
    let sent: Promise<void> | undefined;
    for await (const { payload } of call.responses) {
      if (payload.case === "connected") {
        sent = send(socket, (value) => call.write({ payload: { case: "data", value } })).then(
          () => call.end(),
          () => call.cancel(),
        );
      }
      if (payload.case === "data" && !socket.write(payload.value)) await drained(socket);
      if (payload.case === "eof") socket.end();
    }
    await sent;
  } catch (error) {
    socket.destroy();
    if (!end.signal.aborted) throw error;
  }
};

const send = async (socket: Socket, write: (bytes: Uint8Array) => Promise<void>): Promise<void> => {
  for await (const bytes of socket.iterator({ destroyOnReturn: false })) await write(bytes);
};

const drained = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      socket.off("drain", done).off("close", done);
      resolve();
    };
    socket.once("drain", done).once("close", done);
  });
