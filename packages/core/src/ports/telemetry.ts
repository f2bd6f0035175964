/**
 * What the core tells of its own work: each piece once, when it has ended, as data. Metrics count the pieces, traces
 * draw them; the core knows neither.
 *
 * Nothing is held open: a piece that a crash cut off is never told, and nobody waits for it.
 *
 * INVARIANT: telling never throws and never waits.
 */
import type { ErrorCode } from "../domain/errors.ts";
import type { Uid, UnixMs } from "../domain/units.ts";
import type { StepKind } from "../reconcile/plan.ts";

/** How a piece of work ended; "canceled" when it was no longer wanted. */
export type Ending = "ok" | ErrorCode;

export type Work =
  /** A record was made durable */
  | { readonly kind: "store" }
  /** One step, without the time it waited for its turn before; `attempt` counts from 1 */
  | { readonly kind: "step"; readonly step: StepKind; readonly attempt: number; readonly waitedMs: number }
  /** One round of the loop, from the look at the record to the wait for something new */
  | { readonly kind: "reconcile"; readonly result: ReconcileResult }
  /** From the accepted request to the guest's first readiness, or to the failure for good */
  | { readonly kind: "ready" };

/** "cut": a delete or the daemon's end came between; "waiting": its back-off is not over. */
export type ReconcileResult =
  | "settled"
  | "ended"
  | "retry"
  | "failed"
  | "unobserved"
  | "waiting"
  | "cut"
  | "gone";

export interface Span {
  readonly work: Work;
  readonly uid: Uid;
  readonly namespace: string;
  readonly id: string;
  readonly startedAt: UnixMs;
  readonly ms: number;
  readonly ending: Ending;
  /** W3C trace context of what asked for this work; undefined = nobody traces it */
  readonly parent: string | undefined;
}

export interface Telemetry {
  ended(span: Span): void;
}

export const silentTelemetry: Telemetry = { ended() {} };

/** Tells several, in order. */
export const tellEach = (listeners: readonly Telemetry[]): Telemetry => ({
  ended(span) {
    for (const listener of listeners) listener.ended(span);
  },
});
