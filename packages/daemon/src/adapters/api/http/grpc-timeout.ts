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
 * The `Grpc-Timeout` header in milliseconds (gRPC over HTTP2, "Timeout"); undefined when there is none.
 * @throws FlintlockError `invalid_spec` – not at most 8 digits and a unit
 */
export const grpcTimeoutMs = (header: string | readonly string[] | undefined): number | undefined => {
  if (header === undefined) return undefined;
  const [, digits, unit = ""] = /^(\d{1,8})([HMSmun])$/.exec(String(header)) ?? [];
  const unitMs = UNITS_MS[unit];
  if (digits === undefined || unitMs === undefined) {
    throw invalidField("grpc-timeout", "must be up to 8 digits and one of H, M, S, m, u, n");
  }
  return Math.min(Number(digits) * unitMs, MAX_TIMER_MS);
};
