/** A machine's numbers: of its process, of its TAP devices, and, from Cloud Hypervisor itself, of its disks and network. */
import type { MachineMetric, MeteredMachine, MetricScope } from "@flintlock/core";
import { type BlockCounter, blockMetricsOf } from "../shared/block-metrics.ts";
import { tapMetrics } from "../shared/tap-metrics.ts";
import { vmmMetrics } from "../shared/vmm-metrics.ts";
import type { VmmIdentity } from "../shared/vmm-process.ts";
import { fieldsOf, vmCounters } from "./vm-api.ts";

/** More than a VM of ours has */
const MAX_DEVICES = 256;
const MAX_COUNTERS = 64;

export const machineMetrics = async (
  machine: MeteredMachine,
  identity: VmmIdentity,
  scope: MetricScope,
  signal: AbortSignal,
): Promise<readonly MachineMetric[]> => {
  const vmm = await vmmMetrics(identity, machine.directory);
  if (scope === "vmm" || vmm.length === 0) return vmm;
  const taps = machine.interfaces.flatMap(({ deviceId, hostDevice }) =>
    hostDevice === undefined ? [] : [tapMetrics(deviceId, hostDevice)],
  );
  const counters = await vmCounters(machine.directory, signal);
  return [
    ...vmm,
    ...(await Promise.all(taps)).flat(),
    ...blockMetrics(counters, machine.volumeIds),
    ...deviceMetrics(counters),
  ];
};

const BLOCK_COUNTERS: readonly BlockCounter[] = [
  { key: "read_bytes", from: "read_bytes", help: "Bytes the guest has read from the volume" },
  { key: "write_bytes", from: "write_bytes", help: "Bytes the guest has written to the volume" },
  { key: "read_count", from: "read_ops", help: "Reads of the volume by the guest" },
  { key: "write_count", from: "write_ops", help: "Writes to the volume by the guest" },
];

/** Of an answer of `vm.counters`; the disks are `_disk<n>`, numbered in their order among all devices. */
export const blockMetrics = (answer: unknown, volumeIds: readonly string[]): readonly MachineMetric[] => {
  const disks = devicesOf(answer)
    .flatMap(([id, counters]) => {
      const number = id.match(/^_disk(\d{1,5})$/)?.[1];
      return number === undefined ? [] : [{ number: Number(number), counters }];
    })
    .sort((a, b) => a.number - b.number);
  return volumeIds.flatMap((volumeId, index) => {
    const { counters } = disks[index] ?? {};
    return blockMetricsOf(volumeId, counters ?? {}, BLOCK_COUNTERS, isCount);
  });
};

/** COMPAT: everything once more by Cloud Hypervisor's own names, as upstream shows it. */
export const deviceMetrics = (answer: unknown): readonly MachineMetric[] =>
  devicesOf(answer).flatMap(([group, counters]) =>
    Object.entries(counters)
      .slice(0, MAX_COUNTERS)
      .flatMap(([key, value]) => {
        if (!NAME.test(key) || !isCount(value)) return [];
        const help = `Cloud Hypervisor's own count ${key} of its device ${group}`;
        return [{ group, key, value, kind: "untyped" as const, help }];
      }),
  );

/** Fit for a metric's name, and never longer than a line. */
const NAME = /^[a-z_][a-z0-9_]{0,63}$/;

const devicesOf = (answer: unknown): readonly (readonly [string, Readonly<Record<string, unknown>>])[] =>
  Object.entries(fieldsOf(answer))
    .filter(([id]) => NAME.test(id))
    .slice(0, MAX_DEVICES)
    .map(([id, counters]) => [id, fieldsOf(counters)]);

/** Latencies that nobody measured yet are the largest 64-bit number: no count. */
const isCount = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
