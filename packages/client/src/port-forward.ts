/** Ports of this host that lead into a guest. */
import { type AddressInfo, createServer, type Server } from "node:net";
import { carryConnection } from "./carry-connection.ts";
import { ClientError } from "./client-error.ts";
import { refuseUnknown } from "./create-options.ts";
import type { DaemonLink } from "./daemon-link.ts";

export interface ForwardOptions {
  /** 0 or absent: one that is free */
  readonly localPort?: number | undefined;
  /** Address to listen on; 127.0.0.1 when absent */
  readonly localHost?: string | undefined;
  /** Closes it */
  readonly signal?: AbortSignal | undefined;
  /** Told of each connection that failed; the others go on */
  readonly onError?: ((error: Error) => void) | undefined;
}

export interface PortForward extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly guestPort: number;
  /** No more connections; cuts off those that there are. */
  close(): Promise<void>;
}

/** @throws ClientError `unavailable` – it cannot listen; `invalid_spec` – no such port */
export const forwardPort = async (
  link: DaemonLink,
  target: string,
  guestPort: number,
  options: ForwardOptions,
): Promise<PortForward> => {
  refuseUnknown(options, ["localPort", "localHost", "signal", "onError"]);
  const { localPort = 0, localHost: host = "127.0.0.1", signal, onError } = options;
  portNumber("guestPort", guestPort, 1);
  portNumber("localPort", localPort, 0);
  const end = new AbortController();
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    const carry = async (): Promise<void> => {
      const client = await link.ready({ signal: end.signal });
      await carryConnection(client, socket, { target, port: guestPort, signal: end.signal });
    };
    carry().catch((error: Error) => {
      socket.destroy();
      if (!end.signal.aborted) onError?.(error);
    });
  });
  const port = await listen(server, host, localPort);
  const closed = new Promise<void>((resolve) => server.once("close", () => resolve()));
  const close = (): Promise<void> => {
    signal?.removeEventListener("abort", close);
    end.abort();
    server.close();
    return closed;
  };
  if (signal?.aborted) await close();
  signal?.addEventListener("abort", close, { once: true });
  return { host, port, guestPort, close, [Symbol.asyncDispose]: close };
};

const listen = (server: Server, host: string, port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    // Not once: a server that listens may still fail to accept, and goes on.
    server.on("error", (cause) =>
      reject(new ClientError("unavailable", `cannot listen on ${host}:${port}: ${cause.message}`, { cause })),
    );
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
  });

const portNumber = (field: string, port: number, min: number): void => {
  if (Number.isInteger(port) && port >= min && port <= 65_535) return;
  throw new ClientError("invalid_spec", `${field}: must be a port from ${min} to 65535`, { field });
};
