/**
 * Streams to guest ports through the Unix socket of a VMM's own vsock, as Firecracker's (docs/vsock.md of its
 * repository, "Host-Initiated Connections") and Cloud Hypervisor's: `CONNECT <port>`, `OK <number>`, then bytes.
 */
import type { Socket } from "node:net";
import { type ByteStream, FlintlockError } from "@flintlock/core";
import { deadline } from "./deadline.ts";
import { connectIn } from "./directory-socket.ts";
import { readFirstLine } from "./first-line.ts";
import { socketStream } from "./socket-stream.ts";

/** `OK 4294967295` and some room */
const MAX_LINE_BYTES = 32;
const LINE = /^OK \d{1,10}$/;
/** The guest's kernel answers in milliseconds, on a host with sixteen busy guests in seconds */
const HANDSHAKE_MS = 10_000;

export interface VsockSocket {
  /** Where the VMM made its socket; the path may be longer than a socket address */
  readonly directory: string;
  readonly name: string;
  /** False for Firecracker, and Cloud Hypervisor before v53: a half close ends both directions there */
  readonly halfCloses: boolean;
}

/**
 * A stream to the guest's `port`.
 * @throws FlintlockError `unavailable` – no VMM, or nobody in the guest serves the port;
 *   `deadline_exceeded` – no answer within 10 s, as from a paused guest; or the signal's reason
 */
export const openVsockStream = async (
  { directory, name, halfCloses }: VsockSocket,
  port: number,
  signal: AbortSignal,
  handshakeMs: number = HANDSHAKE_MS,
): Promise<ByteStream> => {
  using limit = deadline(signal, handshakeMs, `the connection to the guest's port ${port}`);
  const socket = await connectIn(directory, name, limit.signal);
  try {
    await handshake(socket, port, limit.signal);
  } catch (error) {
    socket.destroy();
    throw error;
  }
  return socketStream(socket, { name: `the guest's port ${port}`, halfCloses });
};

const handshake = async (socket: Socket, port: number, signal: AbortSignal): Promise<void> => {
  socket.write(`CONNECT ${port}\n`);
  const line = await readFirstLine(socket, MAX_LINE_BYTES, signal);
  // Firecracker refuses without a word.
  if (line === undefined) throw unavailable(`nobody in the guest serves port ${port}`);
  if (!LINE.test(line)) throw unavailable("the VMM answered something else than OK");
};

const unavailable = (what: string): FlintlockError => new FlintlockError("unavailable", what);
