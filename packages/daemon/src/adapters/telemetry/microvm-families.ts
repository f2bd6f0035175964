/** Numbers of the microVMs a caller may see: how many in which state, and what their VMMs take of the host. */
import { type MachineMetric, type MicroVM, type UseCases, VMM_GROUP } from "@flintlock/core";
import type { Family, Sample } from "./exposition.ts";

/** Namespaces told apart; all others count together, under a name that is none */
const MAX_NAMESPACES = 100;
const OTHER_NAMESPACES = "(other)";
/** MicroVMs whose VMMs are told one by one, the oldest first; with eight numbers each, so many that a scraper copes */
const MAX_MICROVMS = 1_000;

export const microvmFamilies = async (
  { microvms }: Pick<UseCases, "microvms">,
  signal: AbortSignal,
): Promise<readonly Family[]> => {
  const vms = await microvms.list({ namespace: "", name: undefined, labels: {} });
  const candidates = vms.filter(mayRun);
  const measured = await microvms.measure(
    candidates.slice(0, MAX_MICROVMS).map(({ uid }) => uid),
    "vmm",
    signal,
  );
  const failed = measured.filter(({ error }) => error !== undefined).length;
  const withLabels = measured.map(({ namespace, id, uid, metrics }) => ({
    labels: { namespace, name: id, uid },
    metrics: new Map(metrics.filter(({ group }) => group === VMM_GROUP).map((one) => [one.key, one])),
  }));
  return [
    { ...MICROVMS, samples: countStates(vms) },
    ...VMM_FAMILIES.map(({ key, scale, ...family }) => ({
      ...family,
      samples: withLabels.flatMap(({ labels, metrics }) => sampleOf(labels, metrics.get(key), scale)),
    })),
    {
      ...UNMEASURED,
      samples: [
        { labels: { reason: "error" }, value: failed },
        { labels: { reason: "limit" }, value: Math.max(0, candidates.length - MAX_MICROVMS) },
      ],
    },
  ];
};

export const MICROVMS = {
  name: "flintlock_microvms",
  help: "MicroVMs by namespace and state; namespaces beyond the first hundred together as (other)",
  type: "gauge",
} as const satisfies Omit<Family, "samples">;

export const UNMEASURED = {
  name: "flintlock_vmm_unmeasured",
  help: "MicroVMs whose VMM is not told of here: it could not be measured, or there are more than a thousand",
  type: "gauge",
} as const satisfies Omit<Family, "samples">;

interface VmmFamily extends Omit<Family, "samples"> {
  /** In the group of what the VMM's process takes */
  readonly key: string;
  /** Of the number to the metric's unit */
  readonly scale: number;
}

export const VMM_FAMILIES: readonly VmmFamily[] = [
  {
    name: "flintlock_vmm_cpu_seconds_total",
    help: "Processor time of the VMM process, guest included",
    type: "counter",
    key: "cpu_milliseconds",
    scale: 0.001,
  },
  {
    name: "flintlock_vmm_resident_memory_bytes",
    help: "Resident memory of the VMM process, guest memory included",
    type: "gauge",
    key: "resident_bytes",
    scale: 1,
  },
  {
    name: "flintlock_vmm_threads",
    help: "Threads of the VMM process",
    type: "gauge",
    key: "threads",
    scale: 1,
  },
  {
    name: "flintlock_vmm_open_fds",
    help: "Open file descriptors of the VMM process",
    type: "gauge",
    key: "open_fds",
    scale: 1,
  },
  {
    name: "flintlock_vmm_storage_read_bytes_total",
    help: "Bytes the VMM process had read from storage",
    type: "counter",
    key: "storage_read_bytes",
    scale: 1,
  },
  {
    name: "flintlock_vmm_storage_written_bytes_total",
    help: "Bytes the VMM process had written to storage",
    type: "counter",
    key: "storage_write_bytes",
    scale: 1,
  },
  {
    name: "flintlock_vmm_disk_bytes",
    help: "Disk space that the microVM's directory takes: its disks without what they share with their image, and logs",
    type: "gauge",
    key: "disk_bytes",
    scale: 1,
  },
];

const mayRun = ({ status }: MicroVM): boolean =>
  status.state !== "failed" && status.state !== "exited" && status.state !== "stopped";

const sampleOf = (
  labels: Readonly<Record<string, string>>,
  metric: MachineMetric | undefined,
  scale: number,
): readonly Sample[] => (metric === undefined ? [] : [{ labels, value: metric.value * scale }]);

const countStates = (vms: readonly MicroVM[]): readonly Sample[] => {
  const counts = new Map<string, Map<string, number>>();
  for (const { namespace, status } of vms) {
    const isTold = counts.has(namespace) || counts.size < MAX_NAMESPACES;
    const name = isTold ? namespace : OTHER_NAMESPACES;
    const states = counts.get(name) ?? new Map<string, number>();
    counts.set(name, states.set(status.state, (states.get(status.state) ?? 0) + 1));
  }
  return [...counts].flatMap(([namespace, states]) =>
    [...states].map(([state, value]) => ({ labels: { namespace, state }, value })),
  );
};
