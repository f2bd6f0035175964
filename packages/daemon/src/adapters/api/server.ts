/** All of the API behind one call: services, transports, listeners, and an orderly end. */
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Log, UseCases } from "@flintlock/core";
import { stopping } from "./errors.ts";
import { createGrpcServer } from "./grpc/server.ts";
import { createGateway } from "./http/gateway.ts";
import { routesOf } from "./http/router.ts";
import { createHttpServer } from "./http/server.ts";
import { disambiguated } from "./http/v1alpha1-routes.ts";
import { type ApiLimits, DEFAULT_LIMITS } from "./limits.ts";
import { parseTcpAddress } from "./listen/address.ts";
import { type Listener, listen } from "./listen/listener.ts";
import { sniff } from "./listen/sniff.ts";
import { listenUnix } from "./listen/unix-socket.ts";
import { createOpenCalls } from "./open-calls.ts";
import { createHealth } from "./services/health.ts";
import { hostService } from "./services/host.ts";
import { imagesService } from "./services/images.ts";
import { microvmsService } from "./services/microvms.ts";
import { reflectionServices } from "./services/reflection.ts";
import { v1alpha1Service } from "./services/v1alpha1.ts";

export interface ApiListeners {
  /** Path of a Unix socket that speaks gRPC and HTTP/1.1 */
  readonly unix?: string | undefined;
  /** `host:port` for gRPC */
  readonly grpc?: string | undefined;
  /** `host:port` for the JSON gateway */
  readonly http?: string | undefined;
}

export interface ApiOptions {
  readonly useCases: UseCases;
  readonly listeners: ApiListeners;
  readonly limits?: Partial<ApiLimits>;
  readonly log: Log;
}

export interface ApiServer {
  /** Where it listens, with the port that was picked */
  readonly addresses: ApiListeners;
  /**
   * Ends the service: health says so, no new connection is accepted, calls in flight have `graceMs`, and
   * whatever is left is cut. Never rejects; repeating it is the same stop.
   */
  close(graceMs: number): Promise<void>;
}

/** @throws FlintlockError – an address is malformed or taken; nothing listens then */
export const serveApi = async ({
  useCases,
  listeners,
  limits: given,
  log,
}: ApiOptions): Promise<ApiServer> => {
  const limits = { ...DEFAULT_LIMITS, ...given };
  const api = [
    v1alpha1Service(useCases.microvms),
    microvmsService(useCases.microvms),
    imagesService(useCases.images),
    hostService(useCases.host),
  ];
  const health = createHealth(api.map(({ desc }) => desc.typeName));
  const described = [...api, health.service];
  const calls = createOpenCalls();
  const grpc = createGrpcServer([...described, ...reflectionServices(described)], limits, { calls, log });
  const gateway = createGateway(disambiguated(api.flatMap(routesOf)), { limits, calls, log });
  const http = createHttpServer(gateway, limits);
  const protocols = { http2: grpc.inject, http1: http.inject };
  const open = await openAll(listeners, limits, {
    unix: (socket) => sniff(socket, limits.sniffTimeoutMs, protocols),
    grpc: grpc.inject,
    http: http.inject,
  }).catch((error: unknown) => {
    http.close();
    throw error;
  });
  const close = async (graceMs: number): Promise<void> => {
    health.stop();
    const stopped = Object.values(open).map((listener) => listener.stop());
    http.drain();
    const drained = Promise.all([grpc.drain(), ...stopped]);
    if (!(await within(graceMs, drained))) {
      calls.abortAll(stopping());
      await within(LAST_WORDS_MS, drained);
    }
    for (const listener of Object.values(open)) listener.destroy();
    http.close();
    await drained;
  };
  let closing: Promise<void> | undefined;
  return {
    addresses: { unix: open.unix?.address, grpc: open.grpc?.address, http: open.http?.address },
    close: (graceMs) => {
      closing ??= close(graceMs);
      return closing;
    },
  };
};

/** For the statuses of calls that are cut to get out. */
const LAST_WORDS_MS = 250;

const within = async (ms: number, done: Promise<unknown>): Promise<boolean> => {
  const timer = new AbortController();
  const late = sleep(ms, false, { signal: timer.signal }).catch(() => false);
  const isDone = await Promise.race([done.then(() => true), late]);
  timer.abort();
  return isDone;
};

interface Open {
  unix?: Listener;
  grpc?: Listener;
  http?: Listener;
}

type Accept = Readonly<Record<keyof ApiListeners, (socket: Socket) => void>>;

/** All or none. */
const openAll = async (
  listeners: ApiListeners,
  { maxConnections }: ApiLimits,
  accept: Accept,
): Promise<Open> => {
  const open: Open = {};
  try {
    if (listeners.unix !== undefined) {
      open.unix = await listenUnix(listeners.unix, maxConnections, accept.unix);
    }
    for (const name of ["grpc", "http"] as const) {
      const text = listeners[name];
      if (text === undefined) continue;
      open[name] = await listen({ kind: "tcp", ...parseTcpAddress(text) }, maxConnections, accept[name]);
    }
    return open;
  } catch (error) {
    await Promise.all(Object.values(open).map((listener: Listener) => listener.stop()));
    throw error;
  }
};
