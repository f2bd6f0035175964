/** The first line of a client of Firecracker's vsock: `CONNECT <port>`. */
import type { Socket } from "node:net";
import { FlintlockError } from "@flintlock/core";
import { readFirstLine } from "./first-line.ts";

/** `CONNECT 4294967295` and some room */
const MAX_LINE_BYTES = 32;
const LINE = /^connect +(\d{1,10})\s*$/i;

/**
 * The port it asks for. What follows the line stays in the socket, which is paused.
 * @throws FlintlockError `invalid_spec` – anything else came first; or the signal's reason
 */
export const readConnectLine = async (client: Socket, signal: AbortSignal): Promise<number> => {
  const line = await readFirstLine(client, MAX_LINE_BYTES, signal);
  if (line === undefined) throw bad("the client ended before it said where to");
  const port = LINE.exec(line)?.[1];
  if (port === undefined) throw bad("expected CONNECT and a port");
  return Number(port);
};

const bad = (what: string): FlintlockError => new FlintlockError("invalid_spec", what);
