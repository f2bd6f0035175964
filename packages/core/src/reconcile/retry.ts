/**
 * When a failed attempt is tried again. COMPAT: the wire's `retry` counter and upstream's linear back-off
 * (20 s times the attempt, ten times) are what clients of v1alpha1 see; a VM that somebody waits for in a
 * terminal (`restart: no`) fails sooner.
 */
import type { ErrorCode } from "../domain/errors.ts";
import type { MicroVMSpec } from "../domain/microvm.ts";

export interface RetryPolicy {
  /** Failed attempts after which the VM is FAILED */
  readonly maxRetry: number;
  readonly stepMs: number;
}

/** COMPAT: upstream's default. */
export const DEFAULT_MAX_RETRY = 10;

/** `maxRetry` is the operator's limit. */
export const retryPolicy = (spec: MicroVMSpec, maxRetry: number): RetryPolicy =>
  spec.restart === "no" ? { maxRetry: Math.min(2, maxRetry), stepMs: 1_000 } : { maxRetry, stepMs: 20_000 };

/** Errors that no repetition mends: the spec has to change, or somebody has to act. */
const PERMANENT: ReadonlySet<ErrorCode> = new Set([
  "invalid_spec",
  "not_found",
  "unauthenticated",
  "permission_denied",
  "unsupported",
  "data_loss",
]);

export type Verdict = { readonly kind: "fail" } | { readonly kind: "retry"; readonly afterMs: number };

export interface Failure {
  readonly code: ErrorCode;
  /** Failed attempts, this one included */
  readonly retry: number;
}

export const verdict = (spec: MicroVMSpec, { code, retry }: Failure, maxRetry: number): Verdict => {
  const policy = retryPolicy(spec, maxRetry);
  if (PERMANENT.has(code) || retry > policy.maxRetry) return { kind: "fail" };
  if (code === "failed_precondition" && spec.restart === "no") return { kind: "fail" };
  return { kind: "retry", afterMs: policy.stepMs * retry };
};
