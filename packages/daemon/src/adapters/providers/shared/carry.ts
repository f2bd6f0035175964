/** Bytes between a connected client and a stream to a guest, each side's end passed on to the other. */
import type { Socket } from "node:net";
import { type ByteStream, FlintlockError } from "@flintlock/core";

/**
 * Owns both. Resolves when both sides have ended; whichever fails takes the other along.
 * @throws what the failing side threw
 */
export const carry = async (client: Socket, stream: ByteStream): Promise<void> => {
  await using guest = stream;
  // Neither loop may be waiting for ever when the other side is gone.
  const onClose = (): void => void guest[Symbol.asyncDispose]();
  client.once("close", onClose);
  try {
    if (client.destroyed) throw new FlintlockError("canceled", "the client has gone");
    await Promise.all([toGuest(client, guest), toClient(guest, client)]);
  } finally {
    client.off("close", onClose);
    client.destroy();
  }
};

const toGuest = async (client: Socket, guest: ByteStream): Promise<void> => {
  // The plain loop would destroy the socket at its end, and with it the other direction.
  for await (const chunk of client.iterator({ destroyOnReturn: false }))
    await guest.write(chunk as Uint8Array);
  await guest.end();
};

const toClient = async (guest: ByteStream, client: Socket): Promise<void> => {
  for await (const chunk of guest.bytes) await written(client, chunk);
  await new Promise<void>((resolve) => client.end(resolve));
};

const written = (client: Socket, chunk: Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => {
    client.write(chunk, (error) => (error ? reject(error) : resolve()));
  });
