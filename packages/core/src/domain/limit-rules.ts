/** Rules for what a microVM takes of its host: ceilings of its devices, and the memory it gives back. */
import type { CreateInput, LimitsInput } from "./create-input.ts";
import { invalidField } from "./errors.ts";
import type { RateLimits } from "./microvm.ts";
import { MICROVM_FIELDS } from "./microvm-fields.ts";
import { MIN_GUEST_MIB, REQUEST_FIELDS } from "./request-fields.ts";
import { parseAll } from "./violations.ts";

/** Undefined when nothing is limited. */
export const parseLimits = (input: LimitsInput | undefined): RateLimits | undefined => {
  if (input === undefined) return undefined;
  const limits = parseAll<RateLimits>({
    networkBytesPerSecond: () => ceiling(input.networkBytesPerSecond, "limits.network_bytes_per_second"),
    diskBytesPerSecond: () => ceiling(input.diskBytesPerSecond, "limits.disk_bytes_per_second"),
    diskOpsPerSecond: () => ceiling(input.diskOpsPerSecond, "limits.disk_ops_per_second"),
  });
  return Object.values(limits).every((limit) => limit === undefined) ? undefined : limits;
};

/** What `change` leaves out stays as it is. */
export const changedLimits = (
  limits: RateLimits | undefined,
  change: Partial<LimitsInput> | undefined,
): RateLimits | undefined => {
  if (change === undefined) return limits;
  return parseLimits({
    networkBytesPerSecond: change.networkBytesPerSecond ?? limits?.networkBytesPerSecond ?? 0,
    diskBytesPerSecond: change.diskBytesPerSecond ?? limits?.diskBytesPerSecond ?? 0,
    diskOpsPerSecond: change.diskOpsPerSecond ?? limits?.diskOpsPerSecond ?? 0,
  });
};

type CeilingField = Extract<keyof typeof REQUEST_FIELDS, `limits.${string}`>;

const ceiling = (value: number, field: CeilingField): number | undefined => {
  const { min, max } = REQUEST_FIELDS[field];
  if (value === 0) return undefined;
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw invalidField(field, `${value} is out of range: must be ${min} to ${max}, or 0 for no limit`);
};

/** Measured against the memory as asked for, which has rules of its own. */
export const parseBalloon = ({ extension, memoryInMb }: CreateInput): number | undefined => {
  const balloon = extension?.balloonMib;
  if (balloon === undefined) return undefined;
  return balloonWithin(balloon, memoryInMb === 0 ? MICROVM_FIELDS.memory_in_mb.defaultV1 : memoryInMb);
};

export const balloonWithin = (balloon: number, memoryMib: number): number => {
  const max = memoryMib - MIN_GUEST_MIB;
  if (Number.isInteger(balloon) && balloon >= 0 && balloon <= max) return balloon;
  throw invalidField(
    "balloon_mib",
    `${balloon} is out of range: of ${memoryMib} MiB of memory at most ${max} can be taken, ${MIN_GUEST_MIB} stay`,
  );
};
