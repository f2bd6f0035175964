import { invalidField } from "@flintlock/core";

const UNITS_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};
/** What a Node timer can hold. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * The `Grpc-Timeout` header in milliseconds (gRPC over HTTP2, "Timeout"); undefined when there is none. As grpc-gateway
 * reads it: more digits than gRPC allows, a sign, and zero for no limit.
 * @throws FlintlockError `invalid_spec` – not a whole number and a unit
 */
export const grpcTimeoutMs = (header: string | readonly string[] | undefined): number | undefined => {
  if (header === undefined || header === "") return undefined;
  const [, digits, unit = ""] = /^([+-]?\d{1,18})([HMSmun])$/.exec(String(header)) ?? [];
  const unitMs = UNITS_MS[unit];
  if (digits === undefined || unitMs === undefined) {
    throw invalidField("grpc-timeout", "must be a whole number and one of H, M, S, m, u, n");
  }
  if (Number(digits) === 0) return undefined;
  return Math.max(0, Math.min(Number(digits) * unitMs, MAX_TIMER_MS));
};
