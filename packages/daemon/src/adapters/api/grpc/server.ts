/** A grpc-js server over the bound services; connections are handed to it, it listens nowhere itself. */
import type { Duplex } from "node:stream";
import { logVerbosity, Server, ServerCredentials, setLogVerbosity } from "@grpc/grpc-js";
import type { ApiLimits } from "../limits.ts";
import type { BoundMethod, BoundService } from "../service.ts";
import { type HandlerContext, handlerFor } from "./handlers.ts";
import { decoder, encoder } from "./messages.ts";

const KEEPALIVE_TIME_MS = 60_000;
const KEEPALIVE_TIMEOUT_MS = 20_000;
/** A connection without a call is told to go; gRPC clients dial again by themselves. */
const IDLE_CONNECTION_MS = 15 * 60_000;

export interface GrpcServer {
  inject(connection: Duplex): void;
  /** Refuses new calls and resolves when those in flight have ended; never rejects. */
  drain(): Promise<void>;
}

export const createGrpcServer = (
  services: readonly BoundService[],
  limits: ApiLimits,
  context: HandlerContext,
): GrpcServer => {
  // It writes headers that it cannot take to standard error, and with them the tokens of whoever mistypes one
  setLogVerbosity(logVerbosity.NONE);
  const server = new Server({
    "grpc.max_receive_message_length": limits.maxMessageBytes,
    "grpc.max_concurrent_streams": limits.maxStreamsPerConnection,
    "grpc.keepalive_time_ms": KEEPALIVE_TIME_MS,
    "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
    "grpc.max_connection_idle_ms": IDLE_CONNECTION_MS,
    // Counters per connection and call that nobody reads
    "grpc.enable_channelz": 0,
  });
  for (const { desc, methods } of services) {
    for (const method of methods) {
      const path = `/${desc.typeName}/${method.desc.name}`;
      const { input, output } = method.desc;
      server.register(
        path,
        handlerFor(method, path, context),
        encoder(output),
        decoder(input),
        KINDS[method.kind],
      );
    }
  }
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  return {
    inject: (connection) => injector.injectConnection(connection),
    // Its error would only say that the injector's server never listened
    drain: () => new Promise((resolve) => server.tryShutdown(() => resolve())),
  };
};

const KINDS = {
  unary: "unary",
  server_streaming: "serverStream",
  client_streaming: "clientStream",
  bidi_streaming: "bidi",
} as const satisfies Record<BoundMethod["kind"], string>;
