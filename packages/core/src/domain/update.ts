/** What of a microVM can be changed, when a change takes effect, and what it makes of the record. Pure. */
import type { LimitsInput } from "./create-input.ts";
import { type DiskChanges, grownVolumes } from "./disk-changes.ts";
import { FlintlockError, invalidField } from "./errors.ts";
import { type ExpiryInput, newExpiry } from "./expiry.ts";
import { balloonWithin, changedLimits } from "./limit-rules.ts";
import { type Adjustable, type Adjusting, adjustmentsOf, settingsOf } from "./machine-settings.ts";
import type { MicroVM, MicroVMSpec } from "./microvm.ts";
import { MICROVM_FIELDS } from "./microvm-fields.ts";
import { parseWhole } from "./number-rules.ts";
import { changedPorts, type PortChanges } from "./port-changes.ts";
import { parseMaxRestarts, parseRestart } from "./process-rules.ts";
import { MIN_GUEST_MIB } from "./request-fields.ts";
import { refuseDeleted } from "./run-wish.ts";
import { parseLabels } from "./spec-rules.ts";
import type { UnixMs } from "./units.ts";
import { parseAll } from "./violations.ts";

/** As it came over the wire; what is left out or empty stays as it is. */
export interface UpdateInput extends PortChanges, DiskChanges {
  /** Refused when the record has another version */
  readonly ifVersion?: number | undefined;
  /** Added, or in place of those with the same key */
  readonly labels: Readonly<Record<string, string>>;
  readonly removeLabels: readonly string[];
  /** As in `ExtensionInput`; "" = as it is */
  readonly restart: string;
  readonly maxRestarts: number;
  readonly isProtected?: boolean | undefined;
  /** 0 = as it is */
  readonly vcpu: number;
  readonly memoryInMb: number;
  /** 0 = no limit any more; absent = as it is */
  readonly limits?: Partial<LimitsInput> | undefined;
  readonly balloonMib?: number | undefined;
  readonly expiry?: ExpiryInput | undefined;
}

/**
 * "live": at once, of a guest that stands still when it goes on. "next-start": when the guest is started next, by
 * whomever.
 */
export type Effect = "live" | "next-start";

export interface FieldChange {
  /** As it is called in the request */
  readonly field: string;
  readonly effect: Effect;
}

/** Bounds of this host and of the microVM's provider, and what is there. */
export interface UpdateLimits {
  readonly maxVcpu: number;
  readonly maxMemoryMib: number;
  /** Bytes by id, of the volumes whose disks are made */
  readonly volumeSizes: ReadonlyMap<string, number>;
  readonly now: UnixMs;
}

/**
 * The record with all of the changes; the very same record when there are none.
 * @throws FlintlockError `invalid_spec`; `conflict` – of another version; `failed_precondition` – it is being deleted
 */
export const updated = (vm: MicroVM, input: UpdateInput, limits: UpdateLimits): MicroVM => {
  refuseDeleted(vm);
  if (input.ifVersion !== undefined && input.ifVersion !== vm.version) {
    throw new FlintlockError(
      "conflict",
      `microvm ${vm.id} has version ${vm.version}, not ${input.ifVersion}`,
      {
        detail: { version: vm.version },
        hint: "Read it again, and decide anew.",
      },
    );
  }
  const { restart, volumes, expiry, ...parts } = parseAll({
    expiry: () => input.expiry && newExpiry(vm.expiry, input.expiry, limits.now, ""),
    labels: () => newLabels(vm.spec, input),
    restart: () => newRestart(vm.spec, input),
    vcpu: () => newVcpu(vm.spec, input, limits),
    memoryMib: () => newMemory(vm.spec, input, limits),
    limits: () => changedLimits(vm.spec.limits, input.limits),
    balloonMib: () => newBalloon(vm.spec, input),
    ports: () => changedPorts(vm.spec, input),
    volumes: () => grownVolumes(vm.spec, input, limits.volumeSizes),
  });
  const isProtected = input.isProtected ?? vm.isProtected;
  const spec = { ...vm.spec, ...parts, ...restart, ...volumes };
  // What could not be done at once is tried again with the next change, or when the same is asked for again.
  const hasFailed = vm.status.failure?.step === "adjustMachine";
  const status = hasFailed ? { ...vm.status, failure: undefined } : vm.status;
  const after: MicroVM = {
    ...vm,
    isProtected,
    ...(input.expiry !== undefined && { expiry }),
    spec,
    status,
  };
  return changedFields(vm, after).length === 0 && !hasFailed ? vm : after;
};

/** In the order of the request's fields. `live`: of its machine, undefined when it does not run, or nothing is known. */
export const changesOf = (
  before: MicroVM,
  after: MicroVM,
  live: Adjusting | undefined,
): readonly FieldChange[] => {
  const atOnce = new Set(live && adjustmentsOf(settingsOf(after.spec), live, live.can));
  return changedFields(before, after).map(({ field, setting }) => ({
    field,
    effect: setting === undefined || atOnce.has(setting) ? "live" : "next-start",
  }));
};

/** Whether a change is one of the machine's, and not of the record's alone. */
export const isOfMachine = ({ field: name }: FieldChange): boolean =>
  FIELDS.some(({ field, setting }) => field === name && setting !== undefined);

interface Field {
  readonly field: string;
  /** Undefined: it is the daemon's alone, and takes effect with the record */
  readonly setting?: Adjustable;
  readonly value: (vm: MicroVM) => unknown;
}

const changedFields = (before: MicroVM, after: MicroVM): readonly Field[] =>
  FIELDS.filter(({ value }) => JSON.stringify(value(before)) !== JSON.stringify(value(after)));

const FIELDS: readonly Field[] = [
  { field: "labels", value: ({ spec }) => Object.entries(spec.labels).sort() },
  { field: "restart", value: ({ spec }) => spec.restart },
  { field: "max_restarts", value: ({ spec }) => spec.maxRestarts ?? 0 },
  { field: "protected", value: ({ isProtected = false }) => isProtected },
  { field: "ttl_seconds", value: ({ expiry }) => expiry?.at ?? 0 },
  { field: "idle_seconds", value: ({ expiry }) => expiry?.idleMs ?? 0 },
  { field: "expiry_action", value: ({ expiry }) => expiry?.action ?? "" },
  { field: "vcpu", setting: "vcpu", value: ({ spec }) => spec.vcpu },
  { field: "memory_in_mb", setting: "memoryMib", value: ({ spec }) => spec.memoryMib },
  { field: "limits", setting: "limits", value: ({ spec }) => spec.limits ?? {} },
  { field: "balloon_mib", setting: "balloonMib", value: ({ spec }) => spec.balloonMib ?? "none" },
  { field: "ports", setting: "ports", value: ({ spec }) => spec.ports },
  { field: "disk_in_mb", setting: "diskMib", value: ({ spec }) => spec.rootVolume?.grownToMib ?? 0 },
  {
    field: "volume_sizes",
    setting: "diskMib",
    value: ({ spec }) => spec.additionalVolumes.map(({ grownToMib = 0 }) => grownToMib),
  },
];

const newLabels = (spec: MicroVMSpec, { labels, removeLabels }: UpdateInput): MicroVMSpec["labels"] => {
  const removed = new Set(removeLabels);
  const both = removeLabels.find((key) => Object.hasOwn(labels, key));
  if (both !== undefined) throw invalidField("remove_labels", "has a key that labels has too");
  const kept = Object.entries(spec.labels).filter(([key]) => !removed.has(key));
  return parseLabels({ ...Object.fromEntries(kept), ...labels });
};

const newRestart = (
  spec: MicroVMSpec,
  { restart, maxRestarts }: UpdateInput,
): Pick<MicroVMSpec, "restart" | "maxRestarts"> => {
  const wish = { restart, maxRestarts };
  const max = parseMaxRestarts(wish);
  if (restart === "") return { restart: spec.restart, maxRestarts: spec.maxRestarts };
  // A number of restarts belongs to its policy, and goes with it.
  return { restart: parseRestart(wish), maxRestarts: max };
};

const newVcpu = (spec: MicroVMSpec, { vcpu }: UpdateInput, { maxVcpu }: UpdateLimits): number => {
  const rule = MICROVM_FIELDS.vcpu;
  return parseWhole(vcpu, "vcpu", { min: rule.min, max: Math.min(rule.max, maxVcpu), default: spec.vcpu });
};

/** Measured against the memory that it is to have. */
const newBalloon = (spec: MicroVMSpec, { balloonMib, memoryInMb }: UpdateInput): number | undefined =>
  balloonMib === undefined ? spec.balloonMib : balloonWithin(balloonMib, memoryInMb || spec.memoryMib);

const newMemory = (
  spec: MicroVMSpec,
  { memoryInMb, balloonMib = spec.balloonMib ?? 0 }: UpdateInput,
  { maxMemoryMib }: UpdateLimits,
): number => {
  const { min, max } = MICROVM_FIELDS.memory_in_mb;
  const bounds = { min, max: Math.min(max, maxMemoryMib), default: spec.memoryMib };
  const memoryMib = parseWhole(memoryInMb, "memory_in_mb", bounds);
  if (memoryMib - balloonMib >= MIN_GUEST_MIB || memoryMib === spec.memoryMib) return memoryMib;
  throw invalidField(
    "memory_in_mb",
    `${memoryMib} is too little: its balloon takes ${balloonMib} MiB, and ${MIN_GUEST_MIB} stay with the guest`,
  );
};
