/** The first line of a client of Firecracker's vsock: `CONNECT <port>`. */
import type { Socket } from "node:net";
import { FlintlockError } from "@flintlock/core";

/** `CONNECT 4294967295` and some room */
const MAX_LINE_BYTES = 32;
const NEWLINE = 10;
const LINE = /^connect +(\d{1,10})\s*$/i;

/**
 * The port it asks for. What follows the line stays in the socket, which is paused.
 * @throws FlintlockError `invalid_spec` – anything else came first; or the signal's reason
 */
export const readConnectLine = (client: Socket, signal: AbortSignal): Promise<number> =>
  new Promise((resolve, reject) => {
    let have = Buffer.alloc(0);
    const settle = (): void => {
      client.pause();
      client.off("data", onData).off("end", onEnd).off("close", onEnd);
      signal.removeEventListener("abort", onAbort);
    };
    const refuse = (error: unknown): void => {
      settle();
      reject(error);
    };
    const onEnd = (): void => refuse(bad("the client ended before it said where to"));
    const onAbort = (): void => refuse(signal.reason);
    const onData = (chunk: Buffer): void => {
      have = Buffer.concat([have, chunk]);
      const end = have.indexOf(NEWLINE);
      if (end === -1 && have.length <= MAX_LINE_BYTES) return;
      const port = LINE.exec(
        have.subarray(0, Math.max(0, Math.min(end, MAX_LINE_BYTES))).toString("latin1"),
      )?.[1];
      if (port === undefined) {
        refuse(bad("expected CONNECT and a port"));
        return;
      }
      settle();
      const rest = have.subarray(end + 1);
      if (rest.length > 0) client.unshift(rest);
      resolve(Number(port));
    };
    client.on("data", onData).on("end", onEnd).on("close", onEnd);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    else client.resume();
  });

const bad = (what: string): FlintlockError => new FlintlockError("invalid_spec", what);
