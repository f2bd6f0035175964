/**
 * Calls and their messages. Two sets of names: ours, by transport, and go-grpc-prometheus's, since dashboards exist for
 * them. COMPAT: upstream's gateway was a gRPC client of its own server, so calls over HTTP count in `grpc_server_*` too.
 *
 * A label's values are the methods that are served and the pages' templates: no client adds one.
 */
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import { codeName } from "./grpc-codes.ts";

/** What a call is known by; the API's `CallInfo` has it. */
export interface MeteredCall {
  /** `/package.Service/Method`, or a page's template */
  readonly method: string;
  readonly transport: "grpc" | "http";
}

export type CallKind = "unary" | "client_streaming" | "server_streaming" | "bidi_streaming";

export interface CallMetrics {
  /** An interceptor: around every call. */
  readonly intercept: (call: MeteredCall) => (outcome: { readonly code: number }) => void;
  /** Tells which methods are served: their counters start at 0, as go-grpc-prometheus's do. */
  describe(methods: readonly { readonly path: string; readonly kind: CallKind }[]): void;
  received(method: string): void;
  sent(method: string): void;
}

/** Seconds; a create takes milliseconds, an attached session hours */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60];

export const createCallMetrics = (registry: Registry, now: () => number): CallMetrics => {
  const registers = [registry];
  const requests = new Counter({
    name: "flintlock_api_requests_total",
    help: "Calls that have ended, by method, transport and gRPC status code",
    labelNames: ["method", "transport", "code"],
    registers,
  });
  const durations = new Histogram({
    name: "flintlock_api_request_duration_seconds",
    help: "How long calls took, streams included",
    labelNames: ["method", "transport"],
    buckets: BUCKETS,
    registers,
  });
  const inFlight = { grpc: 0, http: 0 };
  new Gauge({
    name: "flintlock_api_requests_in_flight",
    help: "Calls that have not ended yet",
    labelNames: ["transport"],
    registers,
    collect() {
      for (const transport of ["grpc", "http"] as const) this.set({ transport }, inFlight[transport]);
    },
  });
  const grpc = goGrpcMetrics(registry);
  return {
    ...grpc,
    intercept: ({ method, transport }) => {
      const started = now();
      inFlight[transport]++;
      grpc.started(method);
      return ({ code }) => {
        inFlight[transport]--;
        const name = codeName(code);
        requests.inc({ method, transport, code: name });
        durations.observe({ method, transport }, (now() - started) / 1000);
        grpc.handled(method, name);
      };
    },
  };
};

/** https://github.com/grpc-ecosystem/go-grpc-prometheus, server side. */
const goGrpcMetrics = (registry: Registry) => {
  const registers = [registry];
  const labelNames = ["grpc_type", "grpc_service", "grpc_method"] as const;
  const counter = (name: string, help: string) => new Counter({ name, help, labelNames, registers });
  const started = counter("grpc_server_started_total", "Calls started on the server");
  const received = counter("grpc_server_msg_received_total", "Messages received by the server");
  const sent = counter("grpc_server_msg_sent_total", "Messages sent by the server");
  const handled = new Counter({
    name: "grpc_server_handled_total",
    help: "Calls completed on the server, whatever their outcome",
    labelNames: [...labelNames, "grpc_code"],
    registers,
  });
  const known = new Map<string, Readonly<Record<(typeof labelNames)[number], string>>>();
  /** Pages are not methods: they are no part of these. */
  const count = (counter: typeof started, method: string): void => {
    const labels = known.get(method);
    if (labels !== undefined) counter.inc(labels);
  };
  return {
    describe: (methods: readonly { readonly path: string; readonly kind: CallKind }[]): void => {
      for (const { path, kind } of methods) {
        const [, service = "", method = ""] = path.split("/");
        const labels = { grpc_type: kind, grpc_service: service, grpc_method: method };
        known.set(path, labels);
        for (const each of [started, received, sent]) each.inc(labels, 0);
        handled.inc({ ...labels, grpc_code: "OK" }, 0);
      }
    },
    started: (method: string): void => count(started, method),
    received: (method: string): void => count(received, method),
    sent: (method: string): void => count(sent, method),
    handled: (method: string, code: string): void => {
      const labels = known.get(method);
      if (labels !== undefined) handled.inc({ ...labels, grpc_code: code });
    },
  };
};
