/**
 * A machine's numbers: of its process, and Firecracker's own (its docs/metrics.md), which it writes as a line of JSON when
 * told to, and each minute.
 *
 * A line has what was counted since the line before it. So the lines are added up, each once: in memory, from where the
 * last question stopped; a new daemon begins with all that the file still has. The file is a hostile VMM's: group and key
 * names, numbers and lengths are bounded.
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import type { MachineMetric, MeteredMachine, MetricScope } from "@flintlock/core";
import type { KeyedLock } from "../shared/keyed-lock.ts";
import { askVmm } from "../shared/vmm-api.ts";
import { vmmMetrics } from "../shared/vmm-metrics.ts";
import type { VmmIdentity } from "../shared/vmm-process.ts";
import { API_SOCKET, METRICS_FILE } from "./files.ts";
import { helpOf, isLevel } from "./metric-kinds.ts";
import { driveId } from "./requests.ts";
import { isStopped } from "./run-state.ts";

/** Firecracker's own line has some 10 KiB, and a KiB for each device */
const MAX_LINE_BYTES = 256 * 1024;
const CHUNK_BYTES = 256 * 1024;
const MAX_GROUPS = 256;
const MAX_KEYS = 256;
const NAME = /^[A-Za-z0-9_]{1,64}$/;
/** What a file cut to its bounds has at its beginning (bounded-log.ts) */
const NUL = "\0";

/** By group, then key */
type Totals = Map<string, Map<string, number>>;

interface Reading {
  readonly vmm: string;
  readonly totals: Totals;
  offset: number;
}

export interface MetricsReader {
  read(
    machine: MeteredMachine,
    identity: VmmIdentity,
    scope: MetricScope,
    signal: AbortSignal,
  ): Promise<readonly MachineMetric[]>;
  forget(uid: string): void;
}

export const createMetricsReader = (lock: KeyedLock): MetricsReader => {
  const readings = new Map<string, Reading>();

  const readingOf = (uid: string, { pid, startTime }: VmmIdentity): Reading => {
    const vmm = `${pid}/${startTime}`;
    const known = readings.get(uid);
    if (known?.vmm === vmm) return known;
    const reading = { vmm, totals: new Map(), offset: 0 };
    readings.set(uid, reading);
    return reading;
  };

  return {
    async read(machine, identity, scope, signal) {
      const vmm = await vmmMetrics(identity, machine.directory);
      if (scope === "vmm" || vmm.length === 0) return vmm;
      // It would not answer, and who asks about all VMs would wait for this one.
      if (await isStopped(identity.pid)) return vmm;
      return await lock.run(machine.uid, async () => {
        signal.throwIfAborted();
        const body = { action_type: "FlushMetrics" };
        await askVmm(machine.directory, API_SOCKET, { method: "PUT", path: "/actions", body }, signal);
        const reading = readingOf(machine.uid, identity);
        await catchUp(join(machine.directory, METRICS_FILE), reading);
        return [...vmm, ...metricsOf(reading.totals, machine)];
      });
    },

    forget: (uid) => void readings.delete(uid),
  };
};

/** Adds the whole lines from the reading's offset on, and moves that behind them. */
const catchUp = async (path: string, reading: Reading): Promise<void> => {
  await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  let rest = Buffer.alloc(0);
  for (;;) {
    const chunk = await readChunk(file, reading.offset + rest.length);
    if (chunk.length === 0) return;
    const bytes = Buffer.concat([rest, chunk]);
    const end = bytes.lastIndexOf(0x0a) + 1;
    for (const line of bytes.toString("latin1", 0, end).split("\n")) addLine(line, reading.totals);
    reading.offset += end;
    rest = bytes.subarray(end);
    // No line of Firecracker's: passed over.
    if (rest.length > MAX_LINE_BYTES) {
      reading.offset += rest.length;
      rest = Buffer.alloc(0);
    }
  }
};

const readChunk = async (file: FileHandle, position: number): Promise<Buffer> => {
  const { bytesRead, buffer } = await file.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, position);
  return buffer.subarray(0, bytesRead);
};

/** What is not two levels of names and whole numbers is passed over. */
export const addLine = (line: string, totals: Totals): void => {
  const start = line.lastIndexOf(NUL) + 1;
  if (line.length - start > MAX_LINE_BYTES) return;
  for (const [group, fields] of entries(parsed(line.slice(start)))) {
    for (const [key, value] of entries(fields)) {
      if (isCount(value)) add(totals, group, key, value);
    }
  }
};

const add = (totals: Totals, group: string, key: string, value: number): void => {
  if (!NAME.test(group) || !NAME.test(key)) return;
  const keys = totals.get(group) ?? new Map<string, number>();
  if (!totals.has(group)) {
    if (totals.size >= MAX_GROUPS) return;
    totals.set(group, keys);
  }
  if (!keys.has(key) && keys.size >= MAX_KEYS) return;
  keys.set(key, isLevel(group, key) ? value : (keys.get(key) ?? 0) + value);
};

/** COMPAT: groups as Firecracker names them; the drives by the ids of their volumes. */
export const metricsOf = (
  totals: Totals,
  { volumeIds }: Pick<MeteredMachine, "volumeIds">,
): readonly MachineMetric[] => {
  const byDrive = new Map(volumeIds.map((id) => [`block_${driveId(id)}`, `block_${id}`]));
  return [...totals].flatMap(([name, keys]) =>
    [...keys].map(
      ([key, value]): MachineMetric => ({
        group: byDrive.get(name) ?? name,
        key,
        value,
        kind: isLevel(name, key) ? "gauge" : "counter",
        help: helpOf(name, key),
      }),
    ),
  );
};

const entries = (value: unknown): readonly [string, unknown][] =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? Object.entries(value) : [];

const parsed = (line: string): unknown => {
  try {
    return JSON.parse(line);
  } catch {
    return undefined; // Torn by a cut, or not Firecracker's.
  }
};

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
