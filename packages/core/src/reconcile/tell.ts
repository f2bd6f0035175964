/** Spans of one microVM's work, with its names and its trace filled in. */
import type { MicroVM } from "../domain/microvm.ts";
import type { UnixMs } from "../domain/units.ts";
import type { Clock } from "../ports/clock.ts";
import type { Ending, Span, Telemetry, Work } from "../ports/telemetry.ts";

/** A piece of work that has begun: told once, at its end. */
export interface Begun {
  readonly startedAt: UnixMs;
  end(work: Work, ending: Ending): void;
}

export const begin = (vm: MicroVM, clock: Clock, telemetry: Telemetry): Begun => {
  const startedAt = clock.now();
  const started = clock.monotonic();
  return {
    startedAt,
    end: (work, ending) =>
      telemetry.ended(spanOf(vm, { work, startedAt, ms: clock.monotonic() - started, ending })),
  };
};

/** The trace is the create's: what a deletion does is no part of it. */
export const spanOf = (vm: MicroVM, told: Pick<Span, "work" | "startedAt" | "ms" | "ending">): Span => ({
  ...told,
  uid: vm.uid,
  namespace: vm.namespace,
  id: vm.id,
  parent: vm.deletedAt === undefined ? vm.traceparent : undefined,
});

/** A microVM that was never ready: its first readiness is what its creator waits for. */
export const isFirst = (vm: MicroVM): boolean => Object.keys(vm.status.timings).length === 0;
