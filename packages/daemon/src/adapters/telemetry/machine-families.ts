/**
 * Machine metrics: `<group>_<key>{namespace="…",name="…",uid="…"} <int>`. COMPAT: names and labels are upstream's; HELP,
 * TYPE, escaping and a stable order are ours, and a machine that cannot be asked says so instead of hiding the others.
 */
import type { MachineMetric, MicroVMMeasurement } from "@flintlock/core";
import { type Family, namePart, type Sample } from "./exposition.ts";

/** A group is at most a volume's id and a prefix */
const MAX_NAME = 160;

export const RUNNING = {
  name: "flintlock_machine_running",
  help: "1 while the microVM's machine runs and tells its numbers, 0 otherwise",
  type: "gauge",
} as const satisfies Omit<Family, "samples">;

export const SCRAPE_ERROR = {
  name: "flintlock_machine_scrape_error",
  help: "1 when the microVM's machine could not be asked for its numbers, 0 otherwise",
  type: "gauge",
} as const satisfies Omit<Family, "samples">;

/** By name; the samples of one name in the order of `measured`. */
export const machineFamilies = (measured: readonly MicroVMMeasurement[]): readonly Family[] => {
  const families = new Map<string, { readonly family: Family; readonly samples: Sample[] }>();
  for (const each of measured) {
    for (const [name, metric] of named(each.metrics)) {
      const found = families.get(name) ?? { family: familyOf(name, metric), samples: [] };
      found.samples.push({ labels: labelsOf(each), value: metric.value });
      families.set(name, found);
    }
  }
  const sorted = [...families.values()].sort((a, b) => (a.family.name < b.family.name ? -1 : 1));
  return [
    {
      ...RUNNING,
      samples: measured.map((each) => ({ labels: labelsOf(each), value: Number(each.metrics.length > 0) })),
    },
    {
      ...SCRAPE_ERROR,
      samples: measured.map((each) => ({ labels: labelsOf(each), value: Number(each.error !== undefined) })),
    },
    ...sorted.map(({ family, samples }) => ({ ...family, samples })),
  ];
};

/** The kind that the first machine says holds for the name: a name has one TYPE. */
const familyOf = (name: string, { kind, help }: MachineMetric): Family => ({
  name,
  help,
  type: kind,
  samples: [],
});

const labelsOf = ({ namespace, id, uid }: MicroVMMeasurement) => ({ namespace, name: id, uid });

/**
 * Each number under a name of its own: volumes `a-b` and `a_b` are both `block_a_b`, and so the second becomes
 * `block_a_b_2`, which is not a part of another name.
 */
const named = (metrics: readonly MachineMetric[]): ReadonlyMap<string, MachineMetric> => {
  const result = new Map<string, MachineMetric>();
  const groups = new Map<string, string>();
  const taken = new Set<string>();
  for (const metric of metrics) {
    const group = groups.get(metric.group) ?? unused(namePart(metric.group), taken);
    groups.set(metric.group, group);
    const name = `${/^[0-9]/.test(group) ? "_" : ""}${group}_${namePart(metric.key)}`.slice(0, MAX_NAME);
    if (!result.has(name) && !OWN.has(name)) result.set(name, metric);
  }
  return result;
};

const OWN: ReadonlySet<string> = new Set([RUNNING.name, SCRAPE_ERROR.name]);

const unused = (group: string, taken: Set<string>): string => {
  let name = group;
  for (let count = 2; taken.has(name); count++) name = `${group}_${count}`;
  taken.add(name);
  return name;
};
