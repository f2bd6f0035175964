/** Who watches the daemon at work: Prometheus always, OpenTelemetry when there is a collector. */
import {
  type ImageLoader,
  type ImageStore,
  type Log,
  type ReconcilerLoad,
  type Telemetry,
  tellEach,
  type UseCases,
} from "@flintlock/core";
import type { CallInfo } from "./adapters/api/interceptor.ts";
import type { ApiOptions } from "./adapters/api/server.ts";
import { createMetrics } from "./adapters/telemetry/metrics.ts";
import { metricsPages, renderMetrics } from "./adapters/telemetry/pages.ts";
import { startTracing } from "./adapters/telemetry/tracing/start-tracing.ts";
import { systemClock } from "./adapters/time/system-clock.ts";
import type { Config } from "./config/config.ts";
import type { DisposeStack } from "./dispose-stack.ts";
import { VERSION } from "./version.ts";

export interface Observers {
  /** For the core */
  readonly telemetry: Telemetry;
  /** The same store, its pulls and contents counted */
  images(store: ImageStore & ImageLoader): ImageStore & ImageLoader;
  /** From now on the gauges say what this reconciler has to do. */
  watch(load: () => ReconcilerLoad): void;
  /** For the API: around every call, its messages, and the pages to scrape */
  readonly api: Required<Pick<ApiOptions, "interceptors" | "meter" | "pages">>;
  /** The same use cases, a create among them traced as a part of the call. */
  traced(info: CallInfo, useCases: UseCases): UseCases;
  /** The page of all metrics, for whoever serves it to nobody in particular. */
  metricsText(useCases: UseCases, signal: AbortSignal): Promise<string>;
}

/** @throws FlintlockError `invalid_spec` – the collector's address is no URL */
export const startObservers = async (
  { otlpEndpoint }: Pick<Config, "otlpEndpoint">,
  log: Log,
  stack: DisposeStack,
): Promise<Observers> => {
  const metrics = createMetrics({ version: VERSION, clock: systemClock, log });
  const pages = metricsPages(metrics);
  const observers: Observers = {
    telemetry: metrics.telemetry,
    images: metrics.images,
    watch: metrics.watch,
    api: { interceptors: [metrics.calls.intercept], meter: metrics.calls, pages },
    traced: (_info, useCases) => useCases,
    metricsText: (useCases, signal) => renderMetrics(metrics, { useCases, signal }),
  };
  if (otlpEndpoint === undefined) return observers;
  const tracing = await startTracing({ endpoint: otlpEndpoint, version: VERSION, log });
  stack.add("tracing", tracing, (it) => it.close());
  return {
    ...observers,
    telemetry: tellEach([metrics.telemetry, tracing.telemetry]),
    api: { ...observers.api, interceptors: [metrics.calls.intercept, tracing.intercept] },
    traced: tracing.within,
  };
};
