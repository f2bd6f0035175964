/** When a microVM counts as ready: its conditions, and which of them the present run has met. Pure. */
import type { ReadyWhenInput } from "./create-input.ts";
import { parseConditions } from "./guest-condition.ts";
import type { ConditionsMet, MicroVM, ReadyWhen } from "./microvm.ts";
import { parseWhole } from "./number-rules.ts";
import { REQUEST_FIELDS } from "./request-fields.ts";
import { type UnixMs, unixMs } from "./units.ts";
import { parseAll } from "./violations.ts";

/** @throws FlintlockError `invalid_spec` */
export const parseReadyWhen = (input: ReadyWhenInput | undefined): ReadyWhen | undefined => {
  if (input === undefined) return undefined;
  const { conditions, timeoutMs } = parseAll({
    conditions: () => parseConditions(input.conditions, "ready_when.conditions"),
    timeoutMs: () =>
      1000 *
      parseWhole(
        input.timeoutSeconds,
        "ready_when.timeout_seconds",
        REQUEST_FIELDS["ready_when.timeout_seconds"],
      ),
  });
  return { conditions, timeoutMs };
};

/** In the order in which they are awaited. What an earlier run has met says nothing. */
export const unmetConditions = ({ spec, status }: MicroVM): readonly string[] => {
  const { readyWhen } = spec;
  if (readyWhen === undefined) return [];
  const { conditionsMet: met } = status;
  if (met === undefined || met.readyAt !== status.readyAt) return readyWhen.conditions;
  return readyWhen.conditions.filter((condition) => !Object.hasOwn(met.at, condition));
};

/** Its guest is up and can be talked to, and what makes it ready is still awaited. */
export const isAwaited = (vm: MicroVM): boolean =>
  vm.status.state === "pending" &&
  vm.status.readyAt !== undefined &&
  vm.run.state === "running" &&
  !vm.run.isAnew &&
  unmetConditions(vm).length > 0;

/** The run that began to be ready at `readyAt` has met `condition`. */
export const withConditionMet = (vm: MicroVM, condition: string, readyAt: UnixMs, now: UnixMs): MicroVM => {
  const { conditionsMet: before } = vm.status;
  const isOfThisRun = before?.readyAt === readyAt;
  const conditionsMet: ConditionsMet = {
    readyAt,
    at: { ...(isOfThisRun && before.at), [condition]: now },
  };
  return { ...vm, status: { ...vm.status, readyAt, conditionsMet } };
};

export const readyDeadline = ({ timeoutMs }: ReadyWhen, readyAt: UnixMs): UnixMs =>
  unixMs(readyAt + timeoutMs);
