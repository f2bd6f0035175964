import { invalidField, type MicroVM } from "@flintlock/core";

/** `undefined` stands for a record that is gone. */
type Condition = (vm: MicroVM | undefined) => boolean;

const CONDITIONS: Readonly<Record<string, Condition>> = {
  running: (vm) => vm?.status.state === "created",
  exited: (vm) => vm?.status.state === "exited",
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
