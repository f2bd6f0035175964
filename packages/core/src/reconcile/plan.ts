/**
 * The plan: what to do next for one microVM, from its record and what the host says of it. Pure: no I/O, no
 * clock, no randomness. The reconciler runs the first step, looks again, and plans anew, so a plan is cheap and
 * never stale.
 *
 *      images → volumes → interfaces → boot → (up) → agent socket → conditions ─┐
 *      pending ──────────────────────────────────────────────────────────► created ◄── resume, pause ──► paused
 *       ▲   ▲  failed attempt: retry after back-off                            │                           │
 *       │   └──────────────────────────────◄── restart policy ─────────────────┤ guest ends                │
 *       │                                                                      ▼ policy has no more        │
 *       ├── start: a new run ◄── failed: machine and interfaces released     exited                        │
 *       │                        (and the directory, if no guest ever ran)                                 │
 *       └── start: a new run ◄── stopped ◄── stop, from anywhere: machine ─────────────────────────────────┘
 *      deleting, from anywhere: machine → interfaces → directory → record
 *
 * What a running guest has and should have otherwise is adjusted at once, where its provider can; what failed once is
 * left to the next start, or the next change: no guest ends for it.
 *
 * The wish decides in this order: delete, stop, end what runs before a new run, run. What is stopped keeps its
 * directory, its disks and its interfaces.
 *
 * INVARIANTS: an agent socket leads to a running guest, or goes before anything else; a deletion, and a stop, never
 * make anything; the record goes last; a disk on which a guest ran goes with its record alone; `plan` of a VM in its
 * wanted state is "settled"; the order of what was observed does not matter.
 */
import { shownCondition } from "../domain/guest-condition.ts";
import { type Adjusting, adjustmentsOf, settingsOf } from "../domain/machine-settings.ts";
import type { GuestExit, MicroVM, Volume } from "../domain/microvm.ts";
import { unmetConditions } from "../domain/readiness.ts";
import { diskVolumesOf, imagesOf, linkedInterfaces } from "../domain/spec-parts.ts";
import type { OciReference } from "../domain/units.ts";
import type { AgentSocketState } from "../ports/provider.ts";

/** Step name and what it needs. Steps are data: they log, compare and serialise. */
export interface StepArgs {
  /** Make the image present and pin the digest its reference stands for */
  pullImage: { readonly image: OciReference };
  /** Make the disk of one volume exist */
  prepareVolume: { readonly volumeId: string };
  /** Make the host end of one interface exist */
  ensureInterface: { readonly deviceId: string };
  /** Start the VMM and wait for the guest */
  bootMachine: object;
  /** Wait for a guest that an earlier daemon started */
  awaitGuest: object;
  /** Make the host's socket to the guest's agent answer */
  openAgentSocket: object;
  closeAgentSocket: object;
  /** Ask the guest until it meets one of the conditions that make the microVM ready */
  awaitCondition: { readonly condition: string };
  /** Stop the guest's processors, and let them go on */
  pauseMachine: object;
  resumeMachine: object;
  /** Give the running machine what it should have and can be given at once */
  adjustMachine: object;
  /** End guest and VMM, the guest by itself within `graceMs`; undefined = the daemon's grace */
  stopMachine: { readonly graceMs: number | undefined };
  /** Note that no earlier run is left, and how it ended: what runs next is the one that is wanted */
  beginRun: { readonly exit: GuestExit | undefined };
  removeInterface: { readonly deviceId: string };
  removeDirectory: object;
  /** Drop the record: the last step of a deletion */
  forget: object;
}

export type StepKind = keyof StepArgs;
export type Step<K extends StepKind = StepKind> = { [P in K]: { readonly kind: P } & StepArgs[P] }[K];

/** What was just asked of the host. It may be incomplete and is outdated at once: hence one step at a time. */
export interface Observed {
  readonly machine: ObservedMachine;
  /** Pinned images whose content is present */
  readonly images: ReadonlySet<OciReference>;
  /** Sizes in bytes of the volumes whose disk is complete, by id */
  readonly volumes: ReadonlyMap<string, number>;
  /** Device ids whose host end exists */
  readonly interfaces: ReadonlySet<string>;
  /** "absent" for a VM that is to have none */
  readonly agentSocket: AgentSocketState;
  readonly hasDirectory: boolean;
}

export type ObservedMachine =
  | { readonly state: "absent" }
  | {
      readonly state: "booting" | "ready";
      readonly isPaused: boolean;
      /** Undefined = not known: then nothing is adjusted */
      readonly live?: Adjusting | undefined;
    }
  | { readonly state: "exited"; readonly exit: GuestExit; readonly wasReady: boolean };

export type Plan =
  | { readonly kind: "step"; readonly next: Step }
  /** Nothing to do: the record should say so, and how the last run ended, where that was just seen */
  | { readonly kind: "settled"; readonly state: SettledState; readonly exit?: GuestExit | undefined }
  /** The guest ended by itself after it had been ready: the restart policy is asked */
  | { readonly kind: "ended"; readonly exit: GuestExit };

export type SettledState = "created" | "paused" | "stopped" | "exited" | "failed";

/** What a step is called where several of a kind are to be told apart: in what they took. */
export const labelOf = (next: Step): string =>
  next.kind === "awaitCondition" ? `${next.kind} ${shownCondition(next.condition)}` : next.kind;

const step = (next: Step): Plan => ({ kind: "step", next });

export const plan = (vm: MicroVM, observed: Observed): Plan => {
  const { machine } = observed;
  if (!isUp(machine) && observed.agentSocket !== "absent") return step({ kind: "closeAgentSocket" });
  if (vm.deletedAt !== undefined) return release(vm, observed) ?? step({ kind: "forget" });
  if (vm.run.state === "stopped") {
    return endRun(vm, machine) ?? { kind: "settled", state: "stopped", exit: exitOf(machine) };
  }
  if (vm.run.isAnew) return endRun(vm, machine) ?? step({ kind: "beginRun", exit: exitOf(machine) });
  if (vm.status.state === "failed") {
    const letGo = vm.status.hasRun ? releaseRun : release;
    return letGo(vm, observed) ?? { kind: "settled", state: "failed" };
  }
  if (vm.status.state === "exited") return { kind: "settled", state: "exited" };
  return run(vm, observed);
};

/** Towards nothing: what still exists goes, in an order that leaves each removal able to find its object. */
const release = (vm: MicroVM, observed: Observed): Plan | undefined =>
  releaseRun(vm, observed) ?? (observed.hasDirectory ? step({ kind: "removeDirectory" }) : undefined);

/** What the host gives to a run, and is not the microVM's own. */
const releaseRun = (vm: MicroVM, { machine, interfaces }: Observed): Plan | undefined => {
  if (isUp(machine)) return step({ kind: "stopMachine", graceMs: undefined });
  const device = linkedInterfaces(vm.spec).find(({ deviceId }) => interfaces.has(deviceId));
  return device && step({ kind: "removeInterface", deviceId: device.deviceId });
};

/** A guest that stands still cannot write back what it holds: it goes on first, unless it gets no time, or cannot. */
const endRun = ({ run, status }: MicroVM, machine: ObservedMachine): Plan | undefined => {
  if (!isUp(machine)) return undefined;
  const canResume = run.graceMs !== 0 && status.failure?.step !== "resumeMachine";
  if (machine.isPaused && canResume) return step({ kind: "resumeMachine" });
  return step({ kind: "stopMachine", graceMs: run.graceMs });
};

/** Towards a running guest, or one that stands still. */
const run = (vm: MicroVM, observed: Observed): Plan => {
  const { machine } = observed;
  if (machine.state === "ready") {
    if (vm.spec.allowGuestAgent && observed.agentSocket !== "open") return step({ kind: "openAgentSocket" });
    if (vm.run.state === "paused") {
      return machine.isPaused ? { kind: "settled", state: "paused" } : step({ kind: "pauseMachine" });
    }
    if (machine.isPaused) return step({ kind: "resumeMachine" });
    if (isToAdjust(vm, machine)) return step({ kind: "adjustMachine" });
    const [condition] = unmetConditions(vm);
    if (condition !== undefined) return step({ kind: "awaitCondition", condition });
    return { kind: "settled", state: "created" };
  }
  if (machine.state === "booting") return step({ kind: machine.isPaused ? "resumeMachine" : "awaitGuest" });
  // An exit that follows readiness is the end of a run; one before it is a failed boot, and the machine is made again.
  // A record that has seen readiness knows better than the guest's own report.
  const wasReady = machine.state === "exited" && (machine.wasReady || vm.status.readyAt !== undefined);
  if (wasReady && machine.exit.at !== vm.status.exit?.at) return { kind: "ended", exit: machine.exit };
  const image = imagesOf(vm.spec).find((reference) => !observed.images.has(reference));
  if (image !== undefined) return step({ kind: "pullImage", image });
  const volume = diskVolumesOf(vm.spec).find((each) => !isWhole(each, observed.volumes));
  if (volume !== undefined) return step({ kind: "prepareVolume", volumeId: volume.id });
  const device = linkedInterfaces(vm.spec).find(({ deviceId }) => !observed.interfaces.has(deviceId));
  if (device !== undefined) return step({ kind: "ensureInterface", deviceId: device.deviceId });
  return step({ kind: "bootMachine" });
};

/** Made, and as large as it should be. */
const isWhole = ({ id, grownToMib = 0 }: Volume, sizes: Observed["volumes"]): boolean =>
  (sizes.get(id) ?? -1) >= grownToMib * MIB;

const MIB = 1024 * 1024;

const isToAdjust = ({ spec, status }: MicroVM, { live }: Up): boolean =>
  live !== undefined &&
  status.failure?.step !== ("adjustMachine" satisfies StepKind) &&
  adjustmentsOf(settingsOf(spec), live, live.can).length > 0;

type Up = Extract<ObservedMachine, { isPaused: boolean }>;

const isUp = (machine: ObservedMachine): machine is Up =>
  machine.state === "booting" || machine.state === "ready";

const exitOf = (machine: ObservedMachine): GuestExit | undefined =>
  machine.state === "exited" ? machine.exit : undefined;

/** The guest of the run that is seen, or its remains, was ready. */
export const hasComeUp = (machine: ObservedMachine): boolean =>
  machine.state === "ready" || (machine.state === "exited" && machine.wasReady);
