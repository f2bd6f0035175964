/** What of a microVM can be changed, when a change takes effect, and what it makes of the record. Pure. */
import { FlintlockError, invalidField } from "./errors.ts";
import { type ExpiryInput, newExpiry } from "./expiry.ts";
import type { MicroVM, MicroVMSpec } from "./microvm.ts";
import { MICROVM_FIELDS } from "./microvm-fields.ts";
import { parseWhole } from "./number-rules.ts";
import { parseMaxRestarts, parseRestart } from "./process-rules.ts";
import { MIN_GUEST_MIB } from "./request-fields.ts";
import { refuseDeleted } from "./run-wish.ts";
import { parseLabels } from "./spec-rules.ts";
import type { UnixMs } from "./units.ts";
import { parseAll } from "./violations.ts";

/** As it came over the wire; what is left out or empty stays as it is. */
export interface UpdateInput {
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
  readonly expiry?: ExpiryInput | undefined;
}

/** "next-start": when the guest is started next, by whomever. */
export type Effect = "live" | "next-start";

export interface FieldChange {
  /** As it is called in the request */
  readonly field: string;
  readonly effect: Effect;
}

/** Bounds of this host and of the microVM's provider. */
export interface UpdateLimits {
  readonly maxVcpu: number;
  readonly maxMemoryMib: number;
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
  const { labels, restart, expiry, ...sizes } = parseAll({
    expiry: () => input.expiry && newExpiry(vm.expiry, input.expiry, limits.now, ""),
    labels: () => newLabels(vm.spec, input),
    restart: () => newRestart(vm.spec, input),
    vcpu: () => newVcpu(vm.spec, input, limits),
    memoryMib: () => newMemory(vm.spec, input, limits),
  });
  const isProtected = input.isProtected ?? vm.isProtected;
  const after: MicroVM = {
    ...vm,
    isProtected,
    ...(input.expiry !== undefined && { expiry }),
    spec: { ...vm.spec, labels, ...restart, ...sizes },
  };
  return changesOf(vm, after).length === 0 ? vm : after;
};

/** In the order of the request's fields. */
export const changesOf = (before: MicroVM, after: MicroVM): readonly FieldChange[] =>
  FIELDS.filter(({ value }) => JSON.stringify(value(before)) !== JSON.stringify(value(after))).map(
    ({ field, effect }) => ({ field, effect }),
  );

const FIELDS: readonly (FieldChange & { readonly value: (vm: MicroVM) => unknown })[] = [
  { field: "labels", effect: "live", value: ({ spec }) => Object.entries(spec.labels).sort() },
  { field: "restart", effect: "live", value: ({ spec }) => spec.restart },
  { field: "max_restarts", effect: "live", value: ({ spec }) => spec.maxRestarts ?? 0 },
  { field: "protected", effect: "live", value: ({ isProtected = false }) => isProtected },
  { field: "vcpu", effect: "next-start", value: ({ spec }) => spec.vcpu },
  { field: "memory_in_mb", effect: "next-start", value: ({ spec }) => spec.memoryMib },
  { field: "ttl_seconds", effect: "live", value: ({ expiry }) => expiry?.at ?? 0 },
  { field: "idle_seconds", effect: "live", value: ({ expiry }) => expiry?.idleMs ?? 0 },
  { field: "expiry_action", effect: "live", value: ({ expiry }) => expiry?.action ?? "" },
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

const newMemory = (
  spec: MicroVMSpec,
  { memoryInMb }: UpdateInput,
  { maxMemoryMib }: UpdateLimits,
): number => {
  const { min, max } = MICROVM_FIELDS.memory_in_mb;
  const bounds = { min, max: Math.min(max, maxMemoryMib), default: spec.memoryMib };
  const memoryMib = parseWhole(memoryInMb, "memory_in_mb", bounds);
  const { balloonMib = 0 } = spec;
  if (memoryMib - balloonMib >= MIN_GUEST_MIB || memoryMib === spec.memoryMib) return memoryMib;
  throw invalidField(
    "memory_in_mb",
    `${memoryMib} is too little: its balloon takes ${balloonMib} MiB, and ${MIN_GUEST_MIB} stay with the guest`,
  );
};
