/**
 * What each verb makes of a record: the wish for its guest, and a state that says "on its way". Pure; whoever calls
 * stores the result and pokes the reconciler. A verb that asks for what is wished already changes no more than that it is
 * tried at once, where it waits for its back-off.
 *
 *     start     a new run, unless one is wanted: retries and restarts are counted anew
 *     stop      no run. It stays so, whatever the restart policy says and whoever restarts
 *     restart   what runs ends, then a new run
 *     pause     the guest stands still. Its memory is the VMM's: a host that restarts boots it, and pauses it then
 *     resume    the guest goes on
 */
import { FlintlockError, invalidField } from "./errors.ts";
import type { MicroVM, MicroVMStatus, RunWish } from "./microvm.ts";
import type { UnixMs } from "./units.ts";

export const RUNNING: RunWish = { state: "running", isAnew: false };

export type RunChange = (vm: MicroVM) => MicroVM;

/** @throws FlintlockError `failed_precondition` – it is paused */
export const start: RunChange = (vm) => {
  refuseDeleted(vm);
  if (hasEnded(vm)) return wish(vm, { ...vm.run, state: "running", isAnew: true }, AFRESH);
  if (vm.run.state === "paused") throw refusal(vm, "is paused", "Resume it.");
  return hastened(vm, AFRESH);
};

/** Another grace replaces the one before: a stop that takes too long becomes a kill. */
export const stop =
  (graceMs: number | undefined): RunChange =>
  (vm) => {
    refuseDeleted(vm);
    const isSo = vm.run.state === "stopped" && (vm.status.state === "stopped" || vm.run.graceMs === graceMs);
    return isSo ? hastened(vm) : wish(vm, { state: "stopped", isAnew: false, graceMs }, AFRESH);
  };

export const restart =
  (graceMs: number | undefined): RunChange =>
  (vm) => {
    refuseDeleted(vm);
    const isSo = vm.run.isAnew && vm.run.state === "running" && vm.run.graceMs === graceMs;
    return isSo ? hastened(vm) : wish(vm, { state: "running", isAnew: true, graceMs }, AFRESH);
  };

/** @throws FlintlockError `failed_precondition` – nothing runs, or will by itself */
export const pause: RunChange = (vm) => {
  refuseDeleted(vm);
  if (hasEnded(vm)) throw refusal(vm, `is ${endOf(vm)}`, "Start it first.");
  return vm.run.state === "paused" ? hastened(vm) : wish(vm, { ...vm.run, state: "paused" }, AT_ONCE);
};

/** @throws FlintlockError `failed_precondition` – nothing runs, or will by itself */
export const resume: RunChange = (vm) => {
  refuseDeleted(vm);
  if (hasEnded(vm)) throw refusal(vm, `is ${endOf(vm)}`, "Start it instead.");
  return vm.run.state === "running" ? hastened(vm) : wish(vm, { ...vm.run, state: "running" }, AT_ONCE);
};

export const MAX_GRACE_SECONDS = 3600;

/** In ms. @throws FlintlockError `invalid_spec` */
export const parseGrace = (seconds: number | undefined, isForced: boolean): number | undefined => {
  if (seconds !== undefined && seconds > MAX_GRACE_SECONDS) {
    throw invalidField("grace_seconds", `must be 0 to ${MAX_GRACE_SECONDS}`);
  }
  if (!isForced) return seconds === undefined ? undefined : seconds * 1000;
  if (seconds === undefined || seconds === 0) return 0;
  throw invalidField("force", "gives the guest no time: leave grace_seconds out");
};

/** Whoever asks for something waits for no back-off, and has all attempts. */
const AT_ONCE: Partial<MicroVMStatus> = { retry: 0, notBefore: undefined };
/** Nothing is left of what went wrong before. */
const AFRESH: Partial<MicroVMStatus> = { ...AT_ONCE, restarts: 0, reason: undefined };

const wish = (vm: MicroVM, run: RunWish, status: Partial<MicroVMStatus>): MicroVM => ({
  ...vm,
  run,
  status: { ...vm.status, ...status, state: "pending" },
});

const hastened = (vm: MicroVM, status = AT_ONCE): MicroVM =>
  vm.status.notBefore === undefined ? vm : { ...vm, status: { ...vm.status, ...status } };

/** To be deleted, whatever was wished before. */
export const deleted = (vm: MicroVM, now: UnixMs): MicroVM => ({
  ...vm,
  deletedAt: now,
  status: { ...vm.status, ...AT_ONCE, state: "deleting" },
});

/** No run is left, or will be, without somebody who starts it. */
const hasEnded = ({ run, status }: MicroVM): boolean =>
  run.state === "stopped" || status.state === "exited" || status.state === "failed";

const endOf = ({ run, status }: MicroVM): string => (run.state === "stopped" ? "stopped" : status.state);

/** @throws FlintlockError `failed_precondition` */
export const refuseDeleted = (vm: MicroVM): void => {
  if (vm.deletedAt !== undefined) throw refusal(vm, "is being deleted");
};

const refusal = ({ id }: MicroVM, why: string, hint?: string): FlintlockError =>
  new FlintlockError("failed_precondition", `microvm ${id} ${why}`, { hint });
