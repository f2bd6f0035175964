/**
 * OpenTelemetry traces: one for each call, and for a create one that goes on until its guest is ready.
 *
 *     request span (server)                 ends when the call is answered
 *     ├─ store                              the record is durable
 *     ├─ pullImage, prepareVolume, …        each step of the reconciler, each attempt
 *     └─ ready                              from the accepted request to the guest's readiness
 *
 * The caller's `traceparent` (gRPC metadata or HTTP header) is honoured. The request span's own is kept in the record,
 * for steps run long after the answer, maybe by another daemon; with the guest ready, or the microVM failed, it is
 * dropped. A trace id derived from the uid would need no field, but could not be the caller's.
 *
 * INVARIANTS: without an endpoint no library is loaded; what cannot be sent is dropped, never waited for.
 */
import type { Telemetry, UseCases } from "@flintlock/core";
import type { MeteredCall } from "../call-metrics.ts";

export interface TracedCall extends MeteredCall {
  readonly listener: string;
  readonly metadata: ReadonlyMap<string, string>;
}

export interface Tracing {
  /** For the core */
  readonly telemetry: Telemetry;
  /** An interceptor: around every call. */
  readonly intercept: (call: TracedCall) => ((outcome: { readonly code: number }) => void) | undefined;
  /** The same use cases, a create among them traced as a part of `call`. */
  within(call: TracedCall, useCases: UseCases): UseCases;
  /** Sends what is left, within two seconds. Never rejects. */
  close(): Promise<void>;
}
