import { ClientError } from "./client-error.ts";
import { whole } from "./size-option.ts";

/** Ceilings for each device of a kind. Absent: none, or as it is; 0: none */
export interface LimitsOption {
  /** Of each interface, each way */
  readonly networkBytesPerSecond?: number | undefined;
  /** Of each volume, reads and writes together */
  readonly diskBytesPerSecond?: number | undefined;
  readonly diskOpsPerSecond?: number | undefined;
}

/** @throws ClientError `invalid_spec` */
export const limitsOf = ({ networkBytesPerSecond, diskBytesPerSecond, diskOpsPerSecond }: LimitsOption) => ({
  ...(networkBytesPerSecond !== undefined && {
    networkBytesPerSecond: bytes("limits.networkBytesPerSecond", networkBytesPerSecond),
  }),
  ...(diskBytesPerSecond !== undefined && {
    diskBytesPerSecond: bytes("limits.diskBytesPerSecond", diskBytesPerSecond),
  }),
  ...(diskOpsPerSecond !== undefined && {
    diskOpsPerSecond: whole("limits.diskOpsPerSecond", diskOpsPerSecond),
  }),
});

const bytes = (option: string, value: number): bigint => {
  if (Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  throw new ClientError("invalid_spec", `${option}: must be a whole number of bytes`, { field: option });
};
