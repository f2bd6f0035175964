/** What runs around every call of either transport: limits, metrics, traces, logs. */
import type { Caller } from "@flintlock/core";
import type { status } from "@grpc/grpc-js";
import type { RequestMetadata } from "./metadata.ts";

export interface CallInfo {
  /** `/package.Service/Method` */
  readonly method: string;
  readonly transport: "grpc" | "http";
  /** Name of the listener it came in by */
  readonly listener: string;
  /** `address:port` of the other side; empty on a Unix socket */
  readonly peer: string;
  readonly caller: Caller;
  readonly metadata: RequestMetadata;
}

export interface Outcome {
  readonly code: status;
  readonly message: string;
}

/**
 * Called when a call starts, in order; what it returns is called once, when the call has ended. One that throws a
 * `FlintlockError` refuses the call.
 */
export type Interceptor = (info: CallInfo) => ((outcome: Outcome) => void) | undefined;
