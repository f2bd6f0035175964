/** What a VMM counts of a volume, by the names that every provider has, which are Firecracker's. */
import type { MachineMetric } from "@flintlock/core";

export interface BlockCounter {
  readonly key: string;
  /** What the VMM calls it */
  readonly from: string;
  readonly help: string;
}

/** COMPAT: the group is `block_<id>`. What is no count by `isCount` is passed over. */
export const blockMetricsOf = (
  volumeId: string,
  numbers: Readonly<Record<string, unknown>>,
  counters: readonly BlockCounter[],
  isCount: (value: unknown) => value is number,
): readonly MachineMetric[] =>
  counters.flatMap(({ key, from, help }) => {
    const value = numbers[from];
    return isCount(value) ? [{ group: `block_${volumeId}`, key, value, kind: "counter", help }] : [];
  });
