import { events, ext, Host, Images, wire } from "@flintlock/api";
import { credentials, Client as GrpcClient } from "@grpc/grpc-js";
import { grpcTarget, parseAddress } from "./address.ts";
import { createServiceClient, type ServiceClient } from "./service-client.ts";
import { createEventsClient, type EventsClient } from "./watch-events.ts";

export interface ClientOptions {
  /** `unix:///path`, `unix:path` or `host:port` */
  readonly address: string;
  /** Ends every call */
  readonly signal?: AbortSignal;
}

export interface Client {
  readonly address: string;
  readonly microvms: ServiceClient<typeof ext.MicroVMs>;
  readonly events: EventsClient;
  readonly images: ServiceClient<typeof Images>;
  readonly host: ServiceClient<typeof Host>;
  /** The five RPCs of upstream's contract */
  readonly v1alpha1: ServiceClient<typeof wire.MicroVM>;
  close(): void;
}

/** A list of 10,000 microVMs is some 20 MB; gRPC's default is 4. */
const MAX_RESPONSE_BYTES = 64 * 1024 * 1024;
const KEEPALIVE_MS = 30_000;
/** gRPC's own are 1 s and 2 min: a daemon that is restarted is back sooner. */
const RECONNECT_MS = { first: 200, last: 5_000 } as const;

/**
 * A client of the daemon at `address`; connects at the first call. Every call throws `ClientError` and
 * nothing else. Close it, or the process stays alive.
 * @throws ClientError `invalid_spec` – the address makes no sense
 */
export const createClient = ({ address, signal }: ClientOptions): Client => {
  const grpc = new GrpcClient(grpcTarget(parseAddress(address)), credentials.createInsecure(), {
    "grpc.max_receive_message_length": MAX_RESPONSE_BYTES,
    "grpc.keepalive_time_ms": KEEPALIVE_MS,
    "grpc.initial_reconnect_backoff_ms": RECONNECT_MS.first,
    "grpc.max_reconnect_backoff_ms": RECONNECT_MS.last,
    // A proxy for web pages has no business between us and a daemon on this host or the next.
    "grpc.enable_http_proxy": 0,
  });
  const channel = { grpc, address, signal };
  return {
    address,
    microvms: createServiceClient(ext.MicroVMs, channel),
    events: createEventsClient(createServiceClient(events.Events, channel)),
    images: createServiceClient(Images, channel),
    host: createServiceClient(Host, channel),
    v1alpha1: createServiceClient(wire.MicroVM, channel),
    close: () => grpc.close(),
  };
};
