/** The only file that knows OpenTelemetry's libraries; `start-tracing.ts` loads it when there is an endpoint. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Log, Span, UseCases } from "@flintlock/core";
import {
  type Attributes,
  type Context,
  type Span as OtelSpan,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  AlwaysOnSampler,
  BasicTracerProvider,
  BatchSpanProcessor,
  ParentBasedSampler,
  type SpanExporter,
} from "@opentelemetry/sdk-trace-base";
import { codeName } from "../grpc-codes.ts";
import { formatTraceparent, parseTraceparent } from "./traceparent.ts";
import type { TracedCall, Tracing } from "./tracing.ts";

/** Spans that wait to be sent; more are dropped */
const MAX_QUEUE = 4096;
const BATCH = 512;
const BATCH_DELAY_MS = 1_000;
const EXPORT_TIMEOUT_MS = 5_000;
/** At the end the whole queue is sent at once: fewer would give up on the rest */
const MAX_EXPORTS_AT_ONCE = MAX_QUEUE / BATCH + 1;
const CLOSE_MS = 2_000;
/** A collector that is down is told of once in this long */
const COMPLAINT_MS = 60_000;

export interface OtlpOptions {
  readonly url: string;
  readonly version: string;
  readonly log: Log;
}

export const openTracing = ({ url, version, log }: OtlpOptions): Tracing => {
  const exporter = complaining(
    new OTLPTraceExporter({
      url,
      timeoutMillis: EXPORT_TIMEOUT_MS,
      concurrencyLimit: MAX_EXPORTS_AT_ONCE,
    }),
    log,
  );
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ "service.name": "flintlockd", "service.version": version }),
    // What a caller does not want sampled is not; a request without a trace starts one.
    sampler: new ParentBasedSampler({ root: new AlwaysOnSampler() }),
    spanLimits: { attributeCountLimit: 32, attributeValueLengthLimit: 256 },
    spanProcessors: [
      new BatchSpanProcessor(exporter, {
        maxQueueSize: MAX_QUEUE,
        maxExportBatchSize: BATCH,
        scheduledDelayMillis: BATCH_DELAY_MS,
        exportTimeoutMillis: EXPORT_TIMEOUT_MS,
      }),
    ],
  });
  const tracer = provider.getTracer("flintlock", version);
  const open = new WeakMap<TracedCall, string>();
  return {
    telemetry: { ended: (span) => tell(tracer, span) },

    intercept: (call) => {
      if (!isMethod(call)) return undefined;
      const span = startRequest(tracer, call);
      open.set(call, traceparentOf(span));
      return ({ code }) => endRequest(span, code);
    },

    within: (call, useCases) => {
      const traceparent = open.get(call);
      return traceparent === undefined ? useCases : traced(useCases, traceparent);
    },

    close: async () => {
      const late = new AbortController();
      await Promise.race([
        provider.shutdown().catch(() => undefined), // What it could not send was complained of.
        sleep(CLOSE_MS, undefined, { signal: late.signal }).catch(() => undefined),
      ]);
      late.abort();
    },
  };
};

/** Pages, and the questions of probes, are no part of anybody's work. */
const isMethod = ({ method }: TracedCall): boolean =>
  method.split("/").length === 3 && /^\/[\w.]+\.[\w]+\/\w+$/.test(method) && !method.startsWith("/grpc.");

const startRequest = (tracer: Tracer, call: TracedCall): OtelSpan => {
  const [, service = "", method = ""] = call.method.split("/");
  return tracer.startSpan(
    `${service}/${method}`,
    {
      kind: SpanKind.SERVER,
      attributes: {
        "rpc.system": "grpc",
        "rpc.service": service,
        "rpc.method": method,
        "flintlock.transport": call.transport,
        "flintlock.listener": call.listener,
      },
    },
    contextOf(call.metadata.get("traceparent")),
  );
};

/** Codes that are the server's fault: OpenTelemetry's convention for gRPC servers. */
const SERVER_FAULTS: ReadonlySet<number> = new Set([2, 4, 12, 13, 14, 15]);

const endRequest = (span: OtelSpan, code: number): void => {
  span.setAttribute("rpc.grpc.status_code", code);
  if (SERVER_FAULTS.has(code)) span.setStatus({ code: SpanStatusCode.ERROR, message: codeName(code) });
  span.end();
};

const traced = (useCases: UseCases, traceparent: string): UseCases => ({
  ...useCases,
  microvms: {
    ...useCases.microvms,
    create: (input, caller) => useCases.microvms.create({ ...input, traceparent }, caller),
  },
});

/** Work that nobody traces, and rounds that only frame the steps, are not drawn. */
const tell = (tracer: Tracer, told: Span): void => {
  if (told.parent === undefined || told.work.kind === "reconcile") return;
  const context = contextOf(told.parent);
  if (context === ROOT_CONTEXT) return;
  const { work, startedAt, ms, ending } = told;
  const span = tracer.startSpan(
    work.kind === "step" ? work.step : work.kind,
    { kind: SpanKind.INTERNAL, startTime: startedAt, attributes: attributesOf(told) },
    context,
  );
  if (ending !== "ok" && ending !== "canceled")
    span.setStatus({ code: SpanStatusCode.ERROR, message: ending });
  span.end(startedAt + ms);
};

const attributesOf = ({ work, uid, namespace, id, ending }: Span): Attributes => ({
  "flintlock.uid": uid,
  "flintlock.namespace": namespace,
  "flintlock.name": id,
  "flintlock.outcome": ending,
  ...(work.kind === "step" && { "flintlock.step": work.step, "flintlock.attempt": work.attempt }),
});

const contextOf = (traceparent: string | undefined): Context => {
  const parent = parseTraceparent(traceparent);
  if (parent === undefined) return ROOT_CONTEXT;
  const { traceId, spanId, flags } = parent;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: flags, isRemote: true });
};

const traceparentOf = (span: OtelSpan): string => {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return formatTraceparent({ traceId, spanId, flags: traceFlags });
};

/** Says when spans are lost, seldom. */
const complaining = (exporter: SpanExporter, log: Log): SpanExporter => {
  let next = 0;
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        // ExportResultCode.SUCCESS, which @opentelemetry/core keeps
        if (result.code !== 0 && performance.now() >= next) {
          next = performance.now() + COMPLAINT_MS;
          log.warn("traces are lost: the collector does not take them", {
            spans: spans.length,
            error: result.error?.message,
          });
        }
        done(result);
      }),
    shutdown: () => exporter.shutdown(),
    forceFlush: async () => exporter.forceFlush?.(),
  };
};
