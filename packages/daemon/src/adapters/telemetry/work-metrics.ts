/** The core's own work: steps, rounds of the loops, how long creators wait, what waits for its turn. */
import type { ReconcilerLoad, Span, Telemetry } from "@flintlock/core";
import { Counter, Gauge, Histogram, type Registry } from "prom-client";

/** Seconds; a step takes a millisecond, a boot without KVM some, a pull minutes */
const STEP_BUCKETS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800];
const READY_BUCKETS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600];

export interface WorkMetrics {
  readonly telemetry: Telemetry;
  /** From now on the gauges say what this reconciler has to do. */
  watch(load: () => ReconcilerLoad): void;
}

export const createWorkMetrics = (registry: Registry): WorkMetrics => {
  const registers = [registry];
  let load: (() => ReconcilerLoad) | undefined;
  const steps = new Counter({
    name: "flintlock_reconcile_steps_total",
    help: "Steps that have ended, by outcome: ok or an error code",
    labelNames: ["step", "outcome"],
    registers,
  });
  const stepSeconds = new Histogram({
    name: "flintlock_reconcile_step_duration_seconds",
    help: "How long steps took, without the wait for their turn",
    labelNames: ["step"],
    buckets: STEP_BUCKETS,
    registers,
  });
  const turnSeconds = new Counter({
    name: "flintlock_reconcile_step_turn_wait_seconds_total",
    help: "Time that steps have waited for their turn",
    labelNames: ["step"],
    registers,
  });
  const rounds = new Counter({
    name: "flintlock_reconcile_total",
    help: "Rounds of the microVMs' loops, by result",
    labelNames: ["result"],
    registers,
  });
  const roundSeconds = new Histogram({
    name: "flintlock_reconcile_duration_seconds",
    help: "How long rounds of the microVMs' loops took",
    buckets: STEP_BUCKETS,
    registers,
  });
  const retries = new Counter({
    name: "flintlock_reconcile_retries_total",
    help: "Attempts that failed and are tried again after a back-off",
    registers,
  });
  const creates = new Counter({
    name: "flintlock_microvm_creates_total",
    help: "MicroVMs that became ready or failed for good, by outcome: ok or an error code",
    labelNames: ["outcome"],
    registers,
  });
  const readySeconds = new Histogram({
    name: "flintlock_microvm_ready_seconds",
    help: "Time from a create to its guest's readiness",
    buckets: READY_BUCKETS,
    registers,
  });
  const storeSeconds = new Histogram({
    name: "flintlock_store_create_duration_seconds",
    help: "How long it took until a new record was durable",
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1],
    registers,
  });
  new Gauge({
    name: "flintlock_reconcile_queue_running",
    help: "MicroVMs whose loop runs now",
    registers,
    collect() {
      this.set(load?.().running ?? 0);
    },
  });
  new Gauge({
    name: "flintlock_reconcile_queue_watched",
    help: "MicroVMs that are looked at again after a back-off or when their VMM ends",
    registers,
    collect() {
      this.set(load?.().watched ?? 0);
    },
  });
  new Gauge({
    name: "flintlock_reconcile_queue_steps",
    help: "Steps of the kinds that take turns, running or waiting for their turn",
    labelNames: ["step", "state"],
    registers,
    collect() {
      for (const [step, { running, waiting }] of load?.().steps ?? []) {
        this.set({ step, state: "running" }, running);
        this.set({ step, state: "waiting" }, waiting);
      }
    },
  });
  const count = ({ work, ms, ending }: Span): void => {
    switch (work.kind) {
      case "step":
        steps.inc({ step: work.step, outcome: ending });
        stepSeconds.observe({ step: work.step }, ms / 1000);
        if (work.waitedMs > 0) turnSeconds.inc({ step: work.step }, work.waitedMs / 1000);
        return;
      case "reconcile":
        rounds.inc({ result: work.result });
        roundSeconds.observe(ms / 1000);
        if (work.result === "retry") retries.inc();
        return;
      case "ready":
        creates.inc({ outcome: ending });
        if (ending === "ok") readySeconds.observe(ms / 1000);
        return;
      case "store":
        storeSeconds.observe(ms / 1000);
    }
  };
  return {
    telemetry: { ended: count },
    watch: (source) => {
      load = source;
    },
  };
};
