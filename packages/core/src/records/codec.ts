/**
 * How a microVM is kept in the state store: key `vm/<uid>`, value JSON with a format version. Every other
 * process that ever reads these bytes goes through here.
 */
import { FlintlockError } from "../domain/errors.ts";
import type { MicroVM, MicroVMStatus } from "../domain/microvm.ts";
import { RUNNING } from "../domain/run-wish.ts";
import type { Uid } from "../domain/units.ts";

export const RECORD_PREFIX = "vm/";
const FORMAT = 1;

export const recordKey = (uid: Uid): string => `${RECORD_PREFIX}${uid}`;

export const encodeRecord = (vm: MicroVM): string => JSON.stringify({ format: FORMAT, vm });

/** @throws FlintlockError `data_loss` – not a record, or of a newer format */
export const decodeRecord = (key: string, text: string): MicroVM => {
  const record = parse(key, text);
  if (record.format !== FORMAT) {
    throw new FlintlockError(
      "data_loss",
      `record ${key} has format ${String(record.format)}; this daemon reads ${FORMAT}`,
      {
        hint: "run the daemon version that wrote it",
      },
    );
  }
  const vm = record.vm;
  if (!isWhole(vm) || recordKey(vm.uid) !== key) {
    throw new FlintlockError("data_loss", `record ${key} does not hold the microVM it is named after`);
  }
  // JSON has no undefined: a key that is absent means just that.
  return {
    ...vm,
    createdBy: vm.createdBy ?? "",
    run: vm.run ?? RUNNING,
    status: { ...vm.status, ...sinceRuns(vm) },
    deletedAt: vm.deletedAt ?? undefined,
    traceparent: vm.traceparent ?? undefined,
  };
};

/** Of a record from before runs were counted: one that is up, or has ended, was ready once. */
const sinceRuns = ({ status, updatedAt }: MicroVM): Partial<MicroVMStatus> => {
  if (status.restarts !== undefined) return {};
  const isUp = status.state === "created";
  return {
    restarts: 0,
    hasRun: isUp || status.exit !== undefined,
    ...(isUp && { readyAt: updatedAt }),
  };
};

/** Enough to know that it is a record of ours; its fields were parsed before they were written. */
const isWhole = (vm: MicroVM | undefined): vm is MicroVM =>
  typeof vm?.uid === "string" &&
  typeof vm.id === "string" &&
  typeof vm.namespace === "string" &&
  typeof vm.spec === "object" &&
  typeof vm.status === "object";

const parse = (key: string, text: string): { readonly format?: unknown; readonly vm?: MicroVM } => {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value;
  } catch (cause) {
    throw new FlintlockError("data_loss", `record ${key} is not JSON`, { cause });
  }
  throw new FlintlockError("data_loss", `record ${key} is not an object`);
};
