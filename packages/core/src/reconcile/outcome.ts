/**
 * What the record says after a round of the reconciler: settled, ended, or failed. Pure. `found` is what the round's
 * steps found out.
 */
import type { FlintlockError } from "../domain/errors.ts";
import type { GuestExit, MicroVM, MicroVMStatus } from "../domain/microvm.ts";
import { type UnixMs, unixMs } from "../domain/units.ts";
import type { SettledState, StepKind } from "./plan.ts";
import { afterEnd, STABLE_RUN_MS } from "./restart.ts";
import { verdict } from "./retry.ts";
import type { StatusChange } from "./steps.ts";

const MAX_FAILURE_TEXT = 4096;

export interface Settled {
  readonly state: SettledState;
  readonly exit?: GuestExit | undefined;
  readonly timings: Readonly<Record<string, number>>;
}

export const settled = (
  vm: MicroVM,
  { state, exit, timings }: Settled,
  found: StatusChange,
  now: UnixMs,
): MicroVM => {
  const status: MicroVMStatus = { ...vm.status, ...found, state, notBefore: undefined };
  switch (state) {
    case "created":
    case "paused": {
      const { readyAt = now } = status;
      const hasComeUp = Object.keys(timings).some((step) => COMING_UP.test(step));
      return {
        ...vm,
        traceparent: undefined,
        status: {
          ...status,
          retry: 0,
          failure: undefined,
          exit: undefined,
          readyAt,
          timings: hasComeUp ? timings : vm.status.timings,
        },
      };
    }
    case "stopped":
      return {
        ...vm,
        traceparent: undefined,
        status: { ...status, retry: 0, exit: exit ?? status.exit, readyAt: undefined },
      };
    case "exited":
    case "failed":
      return { ...vm, status };
  }
};

/** Steps of a round that has brought a guest up. */
const COMING_UP = /^(?:bootMachine|awaitGuest|awaitCondition)\b/;

/** The guest ended by itself: what its restart policy makes of that. */
export const ended = (vm: MicroVM, exit: GuestExit, found: StatusChange, now: UnixMs): MicroVM => {
  const status: MicroVMStatus = { ...vm.status, ...found };
  const { afterMs, restarts, reason } = afterEnd({ ...vm, status }, exit);
  const next: Pick<MicroVMStatus, "state" | "retry" | "notBefore"> =
    afterMs === undefined
      ? { state: "exited", retry: status.retry, notBefore: undefined }
      : // COMPAT: v1alpha1 counts a run that was short as a failed attempt
        { state: "pending", retry: afterMs === 0 ? 0 : status.retry + 1, notBefore: unixMs(now + afterMs) };
  return { ...vm, status: { ...status, ...next, restarts, reason, exit, readyAt: undefined } };
};

export interface FailedStep {
  readonly step: StepKind;
  readonly error: FlintlockError;
  /** Failed attempts after which a VM is FAILED */
  readonly maxRetry: number;
}

/**
 * One that has FAILED already stays as it is: what made it fail stays on the record. A guest runs on that could not be
 * adjusted: the record says so, and no more is tried (`plan.ts`).
 */
export const failed = (
  vm: MicroVM,
  { step, error, maxRetry }: FailedStep,
  found: StatusChange,
  now: UnixMs,
): MicroVM => {
  if (vm.status.state === "failed") return vm;
  const failure = { step, code: error.code, message: textOf(error), at: now };
  if (step === "adjustMachine") return { ...vm, status: { ...vm.status, ...found, failure } };
  const retry = vm.status.retry + 1;
  const next = verdict(vm.spec, { code: error.code, retry }, maxRetry);
  const hasFailed = next.kind === "fail" || step === "awaitCondition";
  const state = mustNotFail(vm, step) ? pendingState(vm) : hasFailed ? "failed" : "pending";
  const afterMs = next.kind === "retry" ? next.afterMs : STABLE_RUN_MS;
  return {
    ...vm,
    traceparent: state === "failed" ? undefined : vm.traceparent,
    status: {
      ...vm.status,
      ...found,
      state,
      retry,
      notBefore: state === "failed" ? undefined : unixMs(now + afterMs),
      ...(step === "bootMachine" && { readyAt: undefined }),
      failure,
    },
  };
};

const pendingState = (vm: MicroVM): "deleting" | "pending" =>
  vm.deletedAt === undefined ? "pending" : "deleting";

/** A FAILED VM is released: a wish to end it is not given up, and no guest is ended because it could not be paused. */
const mustNotFail = (vm: MicroVM, step: StepKind): boolean =>
  vm.deletedAt !== undefined ||
  vm.run.state === "stopped" ||
  step === "stopMachine" ||
  step === "pauseMachine" ||
  step === "resumeMachine";

const textOf = (error: FlintlockError): string =>
  (error.hint === undefined ? error.message : `${error.message}; ${error.hint}`).slice(0, MAX_FAILURE_TEXT);
