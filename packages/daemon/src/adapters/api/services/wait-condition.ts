import { FlintlockError, invalidField, type MicroVM, type MicroVMState } from "@flintlock/core";

/** `undefined` stands for a record that is gone. */
type Condition = (vm: MicroVM | undefined) => boolean;

const CONDITIONS: Readonly<Record<string, Condition>> = {
  running: (vm) => vm?.status.state === "created",
  paused: (vm) => vm?.status.state === "paused",
  stopped: (vm) => vm?.status.state === "stopped",
  // One that was stopped has ended as well: nobody waits for what is over.
  exited: (vm) => vm?.status.state === "exited" || vm?.status.state === "stopped",
  deleted: (vm) => vm === undefined,
  settled: (vm) => vm !== undefined && vm.status.state !== "pending",
};

/** Empty means `settled`. @throws FlintlockError `invalid_spec` – no such condition */
export const conditionOf = (name: string): Condition => {
  const key = name === "" ? "settled" : name;
  const condition = Object.hasOwn(CONDITIONS, key) ? CONDITIONS[key] : undefined;
  if (condition === undefined) {
    const known = Object.keys(CONDITIONS).join(", ");
    throw invalidField("condition", `must be one of ${known}`);
  }
  return condition;
};

/** States from which the microVM does not reach the condition by itself. */
const HOPELESS: Readonly<Record<string, ReadonlySet<MicroVMState>>> = {
  running: new Set(["failed", "exited", "stopped", "paused"]),
  paused: new Set(["failed", "exited", "stopped"]),
  stopped: new Set(["failed", "exited"]),
  exited: new Set(["failed"]),
};

/** @throws FlintlockError `failed_precondition` – waiting for `name` would never end */
export const refuseHopeless = (name: string, vm: MicroVM | undefined): void => {
  if (vm === undefined || HOPELESS[name]?.has(vm.status.state) !== true) return;
  const why = vm.status.state === "failed" ? `: ${vm.status.failure?.message ?? "unknown"}` : "";
  throw new FlintlockError(
    "failed_precondition",
    `microVM ${vm.id} is ${vm.status.state}, not ${name}${why}`,
  );
};
