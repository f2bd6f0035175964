/**
 * What Prometheus sees of the daemon. Two kinds of numbers make up the page:
 *
 *     host-wide    calls, the core's work, images, the process: prom-client, in a registry of our own
 *     per microVM  states, what VMMs take: asked for at each scrape, of the microVMs that the caller may see
 *
 * INVARIANTS: no host-wide number names a microVM or namespace, so that every caller may see all of them; labels have
 * few values, none of which a client can add to; a scrape ends within ten seconds whatever a VMM does.
 */
import type { Clock, ImageLoader, ImageStore, Log, ReconcilerLoad, Telemetry } from "@flintlock/core";
import { collectDefaultMetrics, Gauge, Registry } from "prom-client";
import { type CallMetrics, createCallMetrics } from "./call-metrics.ts";
import { createImageMetrics } from "./image-metrics.ts";
import { createWorkMetrics } from "./work-metrics.ts";

export interface Metrics {
  /** For the core */
  readonly telemetry: Telemetry;
  /** For the API */
  readonly calls: CallMetrics;
  /** The same store, its pulls and contents counted. */
  images(store: ImageStore & ImageLoader): ImageStore & ImageLoader;
  /** From now on the gauges say what this reconciler has to do. */
  watch(load: () => ReconcilerLoad): void;
  /** The host-wide numbers, as text. */
  text(): Promise<string>;
  /** Name, help, type and labels of each host-wide metric, for the documentation. */
  describe(): Promise<readonly MetricDescription[]>;
}

export interface MetricDescription {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly labels: readonly string[];
}

export interface MetricsOptions {
  readonly version: string;
  readonly clock: Pick<Clock, "monotonic">;
  readonly log: Log;
}

export const createMetrics = ({ version, clock, log }: MetricsOptions): Metrics => {
  const registry = new Registry();
  const now = (): number => clock.monotonic();
  new Gauge({
    name: "flintlock_build_info",
    help: "1, with the version and the Node.js it runs on",
    labelNames: ["version", "node"],
    registers: [registry],
  }).set({ version, node: process.version }, 1);
  const calls = createCallMetrics(registry, now);
  const work = createWorkMetrics(registry);
  const images = createImageMetrics(registry, now, log);
  collectDefaultMetrics({ register: registry });
  // Gauges under a counter's name; the ones beside them, by type, have the same numbers.
  for (const what of ["handles", "requests", "resources"]) {
    registry.removeSingleMetric(`nodejs_active_${what}_total`);
  }
  return {
    telemetry: work.telemetry,
    calls,
    images: images.counted,
    watch: work.watch,
    text: () => registry.metrics(),
    describe: async () =>
      (await registry.getMetricsAsJSON()).map(({ name, type, help }) => ({
        name,
        type: String(type),
        help,
        labels: labelsOf(registry.getSingleMetric(name)),
      })),
  };
};

/** prom-client keeps them, and says so to nobody but itself. */
const labelsOf = (metric: unknown): readonly string[] => {
  const hasNames = typeof metric === "object" && metric !== null && "labelNames" in metric;
  return hasNames && Array.isArray(metric.labelNames) ? metric.labelNames.map(String) : [];
};
