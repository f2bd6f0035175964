/**
 * The plan: what to do next for one microVM, from its record and what the host says of it. Pure: no I/O, no
 * clock, no randomness. The reconciler runs the first step, looks again, and plans anew, so a plan is cheap and
 * never stale.
 *
 *          images → volumes → interfaces → boot → (guest ready) → agent socket ─┐
 *      pending ──────────────────────────────────────────────────────────► created
 *         ▲  failed attempt: retry after back-off                             │ guest ends
 *         └──────────────────────────────◄── restart "always" ────────────────┤
 *                                                                             ▼ restart "no"
 *      failed: everything released                                          exited
 *      deleting, from anywhere: machine → interfaces → directory → record
 *
 * INVARIANTS: an agent socket leads to a running guest, or goes before anything else; a deletion never makes anything; the record goes last; `plan` of a VM in its wanted state is
 * "settled"; the order of what was observed does not matter.
 */
import type { GuestExit, MicroVM } from "../domain/microvm.ts";
import { imagesOf, linkedInterfaces, volumesOf } from "../domain/spec-parts.ts";
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
  stopMachine: object;
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
  /** Ids of volumes whose disk is complete */
  readonly volumes: ReadonlySet<string>;
  /** Device ids whose host end exists */
  readonly interfaces: ReadonlySet<string>;
  /** "absent" for a VM that is to have none */
  readonly agentSocket: AgentSocketState;
  readonly hasDirectory: boolean;
}

export type ObservedMachine =
  | { readonly state: "absent" | "booting" | "ready" }
  | { readonly state: "exited"; readonly exit: GuestExit; readonly wasReady: boolean };

export type Plan =
  | { readonly kind: "step"; readonly next: Step }
  /** Nothing to do: the record should say so */
  | { readonly kind: "settled"; readonly state: "created" | "failed" }
  /** The guest ended after it had been ready */
  | { readonly kind: "ended"; readonly exit: GuestExit };

const step = (next: Step): Plan => ({ kind: "step", next });

export const plan = (vm: MicroVM, observed: Observed): Plan => {
  const isDown = observed.machine.state === "absent" || observed.machine.state === "exited";
  if (isDown && observed.agentSocket !== "absent") return step({ kind: "closeAgentSocket" });
  if (vm.deletedAt !== undefined) return release(vm, observed) ?? step({ kind: "forget" });
  if (vm.status.state === "failed") return release(vm, observed) ?? { kind: "settled", state: "failed" };
  if (vm.status.state === "exited") return { kind: "ended", exit: vm.status.exit ?? UNKNOWN_EXIT(vm) };
  return run(vm, observed);
};

/** Towards nothing: what still exists goes, in an order that leaves each removal able to find its object. */
const release = (vm: MicroVM, observed: Observed): Plan | undefined => {
  if (observed.machine.state === "booting" || observed.machine.state === "ready") {
    return step({ kind: "stopMachine" });
  }
  const device = linkedInterfaces(vm.spec).find(({ deviceId }) => observed.interfaces.has(deviceId));
  if (device !== undefined) return step({ kind: "removeInterface", deviceId: device.deviceId });
  if (observed.hasDirectory) return step({ kind: "removeDirectory" });
  return undefined;
};

/** Towards a running guest. */
const run = (vm: MicroVM, observed: Observed): Plan => {
  const { machine } = observed;
  if (machine.state === "ready") {
    const lacksSocket = vm.spec.allowGuestAgent && observed.agentSocket !== "open";
    return lacksSocket ? step({ kind: "openAgentSocket" }) : { kind: "settled", state: "created" };
  }
  if (machine.state === "booting") return step({ kind: "awaitGuest" });
  // An exit that follows readiness is the end of a run; one before it is a failed boot, and the machine is made again.
  // A record in "created" has seen readiness, whatever the guest's own report says now.
  const hasRun = vm.status.state === "created";
  if (machine.state === "exited" && (machine.wasReady || hasRun) && vm.status.exit === undefined) {
    return { kind: "ended", exit: machine.exit };
  }
  const image = imagesOf(vm.spec).find((reference) => !observed.images.has(reference));
  if (image !== undefined) return step({ kind: "pullImage", image });
  const volume = volumesOf(vm.spec).find(({ id }) => !observed.volumes.has(id));
  if (volume !== undefined) return step({ kind: "prepareVolume", volumeId: volume.id });
  const device = linkedInterfaces(vm.spec).find(({ deviceId }) => !observed.interfaces.has(deviceId));
  if (device !== undefined) return step({ kind: "ensureInterface", deviceId: device.deviceId });
  return step({ kind: "bootMachine" });
};

const UNKNOWN_EXIT = (vm: MicroVM): GuestExit => ({ code: undefined, reason: "unknown", at: vm.updatedAt });
