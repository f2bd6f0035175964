/** A listening socket that knows its connections, so that a stop can be final. */
import { createServer, type Server, type Socket } from "node:net";
import { FlintlockError } from "@flintlock/core";
import { formatTcpAddress, type TcpAddress } from "./address.ts";

export interface Listener {
  /** `host:port`, or the path of a Unix socket */
  readonly address: string;
  /** Stops accepting; open connections stay, and it resolves when the last of them is gone. */
  stop(): Promise<void>;
  /** Closes what is still open, at once. */
  destroy(): void;
}

export type Where =
  | { readonly kind: "unix"; readonly path: string }
  | ({ readonly kind: "tcp" } & TcpAddress);

export interface ListenHooks {
  /** Called at once after bind(2), also when that failed */
  readonly onBound?: () => void;
  /** Called when it can accept no more, after it could */
  readonly onFailed?: (error: Error) => void;
}

/** @throws FlintlockError `failed_precondition` – the address is taken or may not be listened on */
export const listen = async (
  where: Where,
  maxConnections: number,
  accept: (socket: Socket) => void,
  { onBound = () => undefined, onFailed = () => undefined }: ListenHooks = {},
): Promise<Listener> => {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    // Resets of clients: whoever reads the socket learns it from "close"
    socket.on("error", () => undefined);
    accept(socket);
  });
  server.maxConnections = maxConnections;
  await bound(server, where, onBound);
  server.removeAllListeners("error");
  server.on("error", onFailed);
  return {
    address: addressOf(server, where),
    stop: () => new Promise((resolve) => server.close(() => resolve())),
    destroy: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
};

const bound = (server: Server, where: Where, onBound: () => void): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const name = where.kind === "unix" ? where.path : formatTcpAddress(where.host ?? "", where.port);
      const reason = REASONS[cause.code ?? ""] ?? "cannot listen there";
      reject(new FlintlockError("failed_precondition", `listen address ${name}: ${reason}`, { cause }));
    });
    server.once("listening", resolve);
    if (where.kind === "unix") server.listen(where.path);
    else server.listen(where.port, where.host);
    // bind(2) has been called by now, synchronously
    onBound();
  });

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: "already in use",
  EADDRNOTAVAIL: "not an address of this host",
  EACCES: "permission denied",
  ENOTFOUND: "no such host",
};

const addressOf = (server: Server, where: Where): string => {
  const address = server.address();
  if (where.kind === "unix") return where.path;
  if (address === null || typeof address === "string") return formatTcpAddress(where.host ?? "", where.port);
  return formatTcpAddress(address.address, address.port);
};
