/**
 * A machine's numbers: of its process, of its TAP devices, and, from QEMU itself, of its disks, processors and memory.
 *
 * QMP serves one client at a time (qmp.ts), so the questions come on one short connection, and those who ask at once for
 * one machine take turns. QEMU's answers are parsed as a stranger's: names we did not give are passed over.
 */
import type { MachineMetric, MeteredMachine, MetricScope } from "@flintlock/core";
import { type BlockCounter, blockMetricsOf } from "../shared/block-metrics.ts";
import { connectIn } from "../shared/directory-socket.ts";
import type { KeyedLock } from "../shared/keyed-lock.ts";
import { tapMetrics } from "../shared/tap-metrics.ts";
import { threadCpuMs, vmmMetrics } from "../shared/vmm-metrics.ts";
import type { VmmIdentity } from "../shared/vmm-process.ts";
import { QMP_SOCKET } from "./args.ts";
import { openQmp } from "./qmp.ts";

const MAX_VCPUS = 256;

export const machineMetrics = async (
  machine: MeteredMachine,
  identity: VmmIdentity,
  { scope, lock }: { readonly scope: MetricScope; readonly lock: KeyedLock },
  signal: AbortSignal,
): Promise<readonly MachineMetric[]> => {
  const vmm = await vmmMetrics(identity, machine.directory);
  if (scope === "vmm" || vmm.length === 0) return vmm;
  const taps = machine.interfaces.flatMap(({ deviceId, hostDevice }) =>
    hostDevice === undefined ? [] : [tapMetrics(deviceId, hostDevice)],
  );
  const answers = await lock.run(machine.uid, () => ask(machine.directory, signal));
  return [
    ...vmm,
    ...(await Promise.all(taps)).flat(),
    ...blockMetrics(answers.blocks, machine.volumeIds),
    ...memoryMetrics(answers.memory),
    ...(await vcpuMetrics(answers.vcpus, identity.pid)),
  ];
};

interface Answers {
  readonly blocks: unknown;
  readonly vcpus: unknown;
  readonly memory: unknown;
}

const ask = async (directory: string, signal: AbortSignal): Promise<Answers> => {
  signal.throwIfAborted();
  await using qmp = await openQmp(await connectIn(directory, QMP_SOCKET, signal), signal);
  return {
    blocks: await qmp.execute("query-blockstats"),
    vcpus: await qmp.execute("query-cpus-fast"),
    memory: await qmp.execute("query-memory-size-summary"),
  };
};

const BLOCK_COUNTERS: readonly BlockCounter[] = [
  { key: "read_bytes", from: "rd_bytes", help: "Bytes the guest has read from the volume" },
  { key: "write_bytes", from: "wr_bytes", help: "Bytes the guest has written to the volume" },
  { key: "read_count", from: "rd_operations", help: "Reads of the volume by the guest" },
  { key: "write_count", from: "wr_operations", help: "Writes to the volume by the guest" },
  { key: "flush_count", from: "flush_operations", help: "Flushes of the volume by the guest" },
  { key: "failed_read_count", from: "failed_rd_operations", help: "Reads of the volume that failed" },
  { key: "failed_write_count", from: "failed_wr_operations", help: "Writes to the volume that failed" },
  { key: "read_nanoseconds", from: "rd_total_time_ns", help: "Time spent reading the volume" },
  { key: "write_nanoseconds", from: "wr_total_time_ns", help: "Time spent writing to the volume" },
];

/** Answer of `query-blockstats`; our disks are the nodes `disk0`, `disk1`, … (args.ts). */
export const blockMetrics = (answer: unknown, volumeIds: readonly string[]): readonly MachineMetric[] => {
  const byNode = new Map<unknown, Fields>();
  for (const entry of listOf(answer)) byNode.set(entry["node-name"], fieldsOf(entry["stats"]));
  return volumeIds.flatMap((volumeId, index) => {
    const stats = byNode.get(`disk${index}`);
    if (stats === undefined) return [];
    return blockMetricsOf(volumeId, stats, BLOCK_COUNTERS, isCount);
  });
};

/** Answer of `query-memory-size-summary`. */
export const memoryMetrics = (answer: unknown): readonly MachineMetric[] => {
  const value = fieldsOf(answer)["base-memory"];
  if (!isCount(value)) return [];
  return [{ group: "memory", key: "base_bytes", value, kind: "gauge", help: "Memory the guest was given" }];
};

/** Answer of `query-cpus-fast`: threads of this very process, or they are passed over. */
export const vcpuMetrics = async (answer: unknown, pid: number): Promise<readonly MachineMetric[]> => {
  const metrics = await Promise.all(
    listOf(answer)
      .slice(0, MAX_VCPUS)
      .map(async (vcpu) => {
        const [index, thread] = [vcpu["cpu-index"], vcpu["thread-id"]];
        if (!isCount(index) || index >= MAX_VCPUS || !isCount(thread)) return [];
        const value = await threadCpuMs(pid, thread);
        if (value === undefined) return [];
        const help = "Processor time of the thread that runs the guest's processor";
        return [{ group: `vcpu_${index}`, key: "cpu_milliseconds", value, kind: "counter" as const, help }];
      }),
  );
  return metrics.flat();
};

type Fields = Readonly<Record<string, unknown>>;

const listOf = (value: unknown): readonly Fields[] => (Array.isArray(value) ? value.map(fieldsOf) : []);

const fieldsOf = (value: unknown): Fields =>
  typeof value === "object" && value !== null ? (value as Fields) : {};

/** Above 2^53 QEMU's counters lose their last digits, which no rate misses. */
const isCount = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 0;
