/** All of the API behind one call: services, transports, listeners, and an orderly end. */
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Caller, Log, UseCases } from "@flintlock/core";
import type { Authenticator } from "./auth/authenticator.ts";
import { createDoor } from "./door.ts";
import { stopping } from "./errors.ts";
import { createGrpcServer, type GrpcServer } from "./grpc/server.ts";
import { createGateway } from "./http/gateway.ts";
import type { Page } from "./http/pages.ts";
import { routesOf } from "./http/router.ts";
import { createHttpServer, type HttpServer } from "./http/server.ts";
import { disambiguated } from "./http/v1alpha1-routes.ts";
import type { CallInfo, Interceptor } from "./interceptor.ts";
import { type ApiLimits, DEFAULT_LIMITS } from "./limits.ts";
import { parseTcpAddress } from "./listen/address.ts";
import type { TlsFiles } from "./listen/certificate-files.ts";
import { type Listener, listen } from "./listen/listener.ts";
import { sniff } from "./listen/sniff.ts";
import { createTlsFront, type TlsFront, type TlsFrontOptions } from "./listen/tls.ts";
import { listenUnix } from "./listen/unix-socket.ts";
import { type MessageMeter, metered } from "./metered.ts";
import { createOpenCalls } from "./open-calls.ts";
import { documentPages } from "./openapi/pages.ts";
import type { HostBounds } from "./openapi/rule-index.ts";
import { alwaysReady, type Readiness } from "./readiness.ts";
import type { BoundService } from "./service.ts";
import { createEventsService } from "./services/events.ts";
import { guestExecService } from "./services/guest-exec.ts";
import { hostService } from "./services/host.ts";
import { imagesService } from "./services/images.ts";
import { microvmsService } from "./services/microvms.ts";
import { sshProxyService } from "./services/ssh-proxy.ts";
import { v1alpha1Service } from "./services/v1alpha1.ts";
import { legacySurface, type Surface, surfaceOf } from "./surface.ts";

export interface ApiListener {
  /** For logs; unique */
  readonly name: string;
  readonly where:
    | { readonly kind: "unix"; readonly path: string }
    /** `host:port`; port 0 picks a free one. Without `tls` in the clear */
    | { readonly kind: "tcp"; readonly address: string; readonly tls?: TlsFiles | undefined };
  /** "any": gRPC and HTTP/1.1, told apart by the first bytes */
  readonly protocol: "grpc" | "http" | "any";
  readonly authenticate: Authenticator;
  /** Which API it offers: today's (also when absent), or the first one published */
  readonly api?: "current" | "legacy";
}

export interface ApiOptions {
  /** What a caller may do, in this call */
  readonly useCases: (caller: Caller, info: CallInfo) => UseCases;
  readonly listeners: readonly ApiListener[];
  /** What this host bounds, for the OpenAPI document; asked once */
  readonly bounds?: () => Promise<HostBounds>;
  /** Around every call, in order */
  readonly interceptors?: readonly Interceptor[];
  /** Counts the messages of every call */
  readonly meter?: MessageMeter;
  /** Served by every listener that speaks HTTP */
  readonly pages?: readonly Page[];
  /** What health checks are told; ready as long as it serves when absent */
  readonly readiness?: Readiness;
  /** A listener can accept no more */
  readonly onFailed?: (listener: string, error: Error) => void;
  readonly limits?: Partial<ApiLimits>;
  /** Upstream's exec and SSH proxy services; off unless true */
  readonly hasExecApi?: boolean;
  readonly hasSshProxyApi?: boolean;
  readonly log: Log;
}

export interface ApiServer {
  /** Where it listens, by listener's name, with the port that was picked */
  readonly addresses: Readonly<Record<string, string>>;
  /**
   * Ends the service: health says so, no new connection is accepted, calls in flight have `graceMs`, and
   * whatever is left is cut. Never rejects; repeating it is the same stop.
   */
  close(graceMs: number): Promise<void>;
  /** Reads certificates again now, not when the change is noticed. Never rejects. */
  reloadCertificates(): Promise<void>;
}

/** @throws FlintlockError – an address is malformed or taken; nothing listens then */
export const serveApi = async (options: ApiOptions): Promise<ApiServer> => {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const { hasExecApi = false, hasSshProxyApi = false } = options;
  const guestServices = { hasExecApi, hasSshProxyApi, address: "" };
  const counted = (services: readonly BoundService[]): readonly BoundService[] =>
    options.meter === undefined ? services : metered(services, options.meter);
  const events = createEventsService();
  const api = counted([
    v1alpha1Service(guestServices),
    microvmsService(),
    events.service,
    imagesService(),
    hostService(),
    ...(hasExecApi ? [guestExecService()] : []),
    ...(hasSshProxyApi ? [sshProxyService()] : []),
  ]);
  const readiness = options.readiness ?? alwaysReady;
  const routes = disambiguated(api.flatMap(routesOf));
  const surfaces = {
    current: surfaceOf(api, {
      routes,
      pages: [...(options.pages ?? []), ...documentPages(routes, options.bounds)],
      readiness,
      counted,
    }),
    legacy: legacySurface({ readiness, counted }),
  } as const;
  const calls = createOpenCalls();
  const open = await openAll(options.listeners, (listener) =>
    openListener(listener, surfaces[listener.api ?? "current"], { ...options, limits, calls }),
  );
  guestServices.address = grpcAddress(options.listeners, open);
  const close = async (graceMs: number): Promise<void> => {
    for (const surface of Object.values(surfaces)) surface.stop();
    events.stop();
    const stopped = open.map(({ listener }) => listener.stop());
    for (const { http } of open) http.drain();
    const drained = Promise.all([...open.map(({ grpc }) => grpc.drain()), ...stopped]);
    if (!(await within(graceMs, drained))) {
      calls.abortAll(stopping());
      await within(LAST_WORDS_MS, drained);
    }
    for (const { listener, http, tls } of open) {
      listener.destroy();
      http.close();
      tls?.close();
    }
    await drained;
  };
  let closing: Promise<void> | undefined;
  return {
    addresses: Object.fromEntries(open.map(({ name, listener }) => [name, listener.address])),
    close: (graceMs) => {
      closing ??= close(graceMs);
      return closing;
    },
    reloadCertificates: async () => {
      await Promise.all(open.map(({ tls }) => tls?.reload()));
    },
  };
};

/** Where the first TCP listener for gRPC is; empty when there is none. */
const grpcAddress = (listeners: readonly ApiListener[], open: readonly OpenListener[]): string => {
  const isReachable = ({ where, protocol, api }: ApiListener) =>
    where.kind === "tcp" && protocol !== "http" && api !== "legacy";
  const name = listeners.find(isReachable)?.name;
  return open.find((one) => one.name === name)?.listener.address ?? "";
};

interface OpenListener {
  readonly name: string;
  readonly listener: Listener;
  readonly grpc: GrpcServer;
  readonly http: HttpServer;
  readonly tls: TlsFront | undefined;
}

type Context = ApiOptions & {
  readonly limits: ApiLimits;
  readonly calls: ReturnType<typeof createOpenCalls>;
};

/** Each listener has servers of its own, so that a call always knows which door it came in by. */
const openListener = async (
  { name, where, protocol, authenticate }: ApiListener,
  { services, routes, pages }: Surface,
  { useCases, interceptors = [], onFailed = () => undefined, limits, calls, log }: Context,
): Promise<OpenListener> => {
  const door = createDoor({ name, authenticate, interceptors, useCases, calls });
  const grpc = createGrpcServer(services, limits, { door, log });
  const http = createHttpServer(createGateway({ routes, pages }, { limits, door, log }), limits);
  const any = (socket: Socket): void =>
    sniff(socket, limits.sniffTimeoutMs, { http2: grpc.inject, http1: http.inject });
  const accept = { grpc: grpc.inject, http: http.inject, any }[protocol];
  let tls: TlsFront | undefined;
  try {
    const failed = (error: Error): void => onFailed(name, error);
    if (where.kind === "unix") {
      const listener = await listenUnix(where.path, limits.maxConnections, accept, failed);
      return { name, listener, grpc, http, tls };
    }
    if (where.tls !== undefined) {
      const { handshakeTimeoutMs, reloadPeriodMs } = limits;
      const alpn = ALPN[protocol];
      tls = await createTlsFront({ files: where.tls, alpn, handshakeTimeoutMs, reloadPeriodMs, log, accept });
    }
    const tcp = { kind: "tcp", ...parseTcpAddress(where.address) } as const;
    const listener = await listen(tcp, limits.maxConnections, tls?.secure ?? accept, { onFailed: failed });
    return { name, listener, grpc, http, tls };
  } catch (error) {
    http.close();
    tls?.close();
    throw error;
  }
};

const ALPN = {
  grpc: ["h2"],
  http: ["http/1.1"],
  any: ["h2", "http/1.1"],
} as const satisfies Record<ApiListener["protocol"], TlsFrontOptions["alpn"]>;

/** For the statuses of calls that are cut to get out. */
const LAST_WORDS_MS = 250;

const within = async (ms: number, done: Promise<unknown>): Promise<boolean> => {
  const timer = new AbortController();
  const late = sleep(ms, false, { signal: timer.signal }).catch(() => false);
  const isDone = await Promise.race([done.then(() => true), late]);
  timer.abort();
  return isDone;
};

/** All or none. */
const openAll = async (
  listeners: readonly ApiListener[],
  openOne: (listener: ApiListener) => Promise<OpenListener>,
): Promise<readonly OpenListener[]> => {
  const open: OpenListener[] = [];
  try {
    for (const listener of listeners) open.push(await openOne(listener));
    return open;
  } catch (error) {
    for (const { http, tls } of open) {
      http.close();
      tls?.close();
    }
    await Promise.all(open.map(({ listener }) => listener.stop()));
    throw error;
  }
};
