/** A node:http server that is handed its connections. */
import { createServer, type Server } from "node:http";
import type { Socket } from "node:net";
import type { ApiLimits } from "../limits.ts";
import type { Gateway } from "./gateway.ts";
import { isOwnOrigin } from "./origin.ts";
import { closeAfter, FOREIGN_ORIGIN, sendError } from "./responses.ts";

export interface HttpServer {
  inject(connection: Socket): void;
  /** Closes idle connections now and each of the others after its response in flight. */
  drain(): void;
  /** Stops the clock that checks header and request timeouts. */
  close(): void;
}

const TIMEOUT_CHECK_MS = 1_000;

export const createHttpServer = (gateway: Gateway, limits: ApiLimits): HttpServer => {
  let isDraining = false;
  const options = {
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    connectionsCheckingInterval: TIMEOUT_CHECK_MS,
  };
  const server = createServer(options, (request, response) => {
    if (isDraining) response.setHeader("Connection", "close");
    // One that was promised to be kept alive before
    response.on("close", () => isDraining && setImmediate(() => server.closeIdleConnections()));
    if (!isOwnOrigin(request.headers)) {
      closeAfter(request, response);
      sendError(response, FOREIGN_ORIGIN);
      return;
    }
    gateway(request, response);
  });
  // No protocol but HTTP: without these an upgrade or CONNECT would hang the socket
  server.on("upgrade", (_request, socket) => socket.destroy());
  server.on("connect", (_request, socket) => socket.destroy());
  startTimeoutChecks(server);
  return {
    inject: (connection) => server.emit("connection", connection),
    drain: () => {
      isDraining = true;
      server.closeIdleConnections();
    },
    close: () => {
      // The callback's error only says that it never listened
      server.close(() => undefined);
    },
  };
};

/** node:http checks `headersTimeout` and `requestTimeout` from its "listening" event on, which never comes here. */
const startTimeoutChecks = (server: Server): void => {
  server.emit("listening");
};
