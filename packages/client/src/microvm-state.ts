/** What is known of a microVM, in a program's terms. */
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { ext } from "@flintlock/api";
import { ClientError, type ClientErrorCode, isClientErrorCode } from "./client-error.ts";
import { enumWords } from "./enum-names.ts";

/** On its way (`pending`), or there */
export type MicroVMState =
  | "pending"
  | "running"
  | "exited"
  | "failed"
  | "deleting"
  | "stopped"
  | "paused"
  | "unknown";

/** How the guest's last run ended. */
export interface GuestExit {
  /** Undefined when the guest did not report one */
  readonly code: number | undefined;
  readonly reason: string;
  readonly at: Date | undefined;
}

/** Why the last attempt failed. */
export interface MicroVMFailure {
  readonly step: string;
  readonly code: ClientErrorCode;
  readonly message: string;
  readonly at: Date | undefined;
}

const STATES = enumWords(ext.State);

/** A state of a newer daemon is `unknown`. */
export const stateName = (state: ext.State): MicroVMState => {
  const word = STATES.wordOf(state);
  return word === undefined || word === "state_unspecified" ? "unknown" : word;
};

/** @throws ClientError `invalid_spec` – there is no such state */
export const stateNumber = (state: MicroVMState): ext.State => {
  const number = STATES.numberOf(state);
  if (number !== undefined) return number as ext.State;
  throw new ClientError("invalid_spec", `states: there is no ${JSON.stringify(state)}`, { field: "states" });
};

export const exitOf = (exit: ext.Exit | undefined): GuestExit | undefined =>
  exit && { code: exit.code, reason: exit.reason, at: exit.at && timestampDate(exit.at) };

export const failureOf = (failure: ext.Failure | undefined): MicroVMFailure | undefined =>
  failure && {
    step: failure.step,
    code: isClientErrorCode(failure.code) ? failure.code : "provider_failed",
    message: failure.message,
    at: failure.at && timestampDate(failure.at),
  };

/** It came to something else than what was asked for. */
export const stateError = (vm: ext.MicroVM, why?: string): ClientError => {
  const { id = "", namespace = "", uid = "" } = vm.microvm?.spec ?? {};
  const failure = failureOf(vm.failure);
  const state = stateName(vm.state);
  const detail = { name: id, namespace, uid, state };
  if (failure === undefined) {
    return new ClientError("failed_precondition", `microVM ${id} is ${state}`, { detail, why });
  }
  const where = failure.step === "" ? "" : ` at step ${failure.step}`;
  return new ClientError(failure.code, `microVM ${id} failed${where}: ${failure.message}`, {
    step: failure.step,
    hint: "flintlock doctor checks the daemon's host",
    detail,
    why,
  });
};
