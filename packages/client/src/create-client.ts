import { events, ext, Host, Images, wire } from "@flintlock/api";
import { Client as GrpcClient, Metadata } from "@grpc/grpc-js";
import { grpcTarget } from "./address.ts";
import { type ConnectionOptions, resolveConnection } from "./connection-options.ts";
import type { Environment } from "./default-address.ts";
import { grpcCredentials, nameToVerify } from "./grpc-credentials.ts";
import { createServiceClient, type ServiceClient } from "./service-client.ts";
import { createEventsClient, type EventsClient } from "./watch-events.ts";

export interface ClientOptions extends ConnectionOptions {
  /** Ends every call */
  readonly signal?: AbortSignal | undefined;
}

export interface Client {
  readonly address: string;
  readonly microvms: ServiceClient<typeof ext.MicroVMs>;
  readonly events: EventsClient;
  readonly images: ServiceClient<typeof Images>;
  readonly host: ServiceClient<typeof Host>;
  /** The five RPCs of upstream's contract */
  readonly v1alpha1: ServiceClient<typeof wire.MicroVM>;
  /** Whether there is a connection, or one can be made within so many milliseconds. */
  connected(limitMs: number): Promise<boolean>;
  close(): void;
}

/** A list of 10,000 microVMs is some 20 MB; gRPC's default is 4. */
const MAX_RESPONSE_BYTES = 64 * 1024 * 1024;
const KEEPALIVE_MS = 30_000;
/** gRPC's own are 1 s and 2 min: a daemon that is restarted is back sooner. */
const RECONNECT_MS = { first: 200, last: 5_000 } as const;

/**
 * The daemon's services as they are on the wire; `connect` has objects instead. Connects at the first call. Every call throws
 * `ClientError` and nothing else, and is sent once.
 * @throws ClientError `invalid_spec` – an option makes no sense
 */
export const createClient = (options: ClientOptions = {}, env: Environment = process.env): Client => {
  const { address, parsed, token, tls, callMs } = resolveConnection(options, env);
  const verified = nameToVerify(parsed, tls?.serverName);
  const grpc = new GrpcClient(grpcTarget(parsed), grpcCredentials(tls, verified), {
    "grpc.max_receive_message_length": MAX_RESPONSE_BYTES,
    "grpc.keepalive_time_ms": KEEPALIVE_MS,
    "grpc.initial_reconnect_backoff_ms": RECONNECT_MS.first,
    "grpc.max_reconnect_backoff_ms": RECONNECT_MS.last,
    // A proxy for web pages has no business between us and a daemon on this host or the next.
    "grpc.enable_http_proxy": 0,
    ...(tls === undefined ? {} : { "grpc.ssl_target_name_override": verified.sent }),
  });
  const metadata = new Metadata();
  if (token !== undefined) metadata.set("authorization", `Bearer ${token}`);
  const channel = { grpc, address, signal: options.signal, metadata, callMs };
  return {
    address,
    microvms: createServiceClient(ext.MicroVMs, channel),
    events: createEventsClient(createServiceClient(events.Events, channel)),
    images: createServiceClient(Images, channel),
    host: createServiceClient(Host, channel),
    v1alpha1: createServiceClient(wire.MicroVM, channel),
    connected: (limitMs) =>
      new Promise((resolve) =>
        grpc.waitForReady(Date.now() + limitMs, (error) => resolve(error === undefined)),
      ),
    close: () => grpc.close(),
  };
};
