/** What happened to a microVM, told by its record before and after one write. Pure. */
import { expiredText } from "./expiry.ts";
import type { Failure, GuestExit, MicroVM, MicroVMState } from "./microvm.ts";
import type { Uid, UnixMs } from "./units.ts";

export const EVENT_TYPES = [
  "created",
  "pulled",
  "running",
  "paused",
  "stopped",
  "exited",
  "starting",
  "stopping",
  "pausing",
  "resuming",
  "retrying",
  "restarting",
  "failed",
  "condition_met",
  "labels_changed",
  "changed",
  "deleting",
  "deleted",
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** No secrets: neither metadata nor environment. */
export interface MicroVMEvent {
  readonly type: EventType;
  readonly at: UnixMs;
  readonly uid: Uid;
  readonly namespace: string;
  /** The microVM's id */
  readonly name: string;
  /** Of the record after the change: one more than at the event before */
  readonly version: number;
  /** Undefined for `created` */
  readonly stateBefore: MicroVMState | undefined;
  /** Undefined for `deleted` */
  readonly state: MicroVMState | undefined;
  readonly labels: Readonly<Record<string, string>>;
  /** Where this change gave it others */
  readonly labelsBefore?: MicroVMEvent["labels"] | undefined;
  /** Where this change brought it */
  readonly failure?: Failure | undefined;
  readonly exit?: GuestExit | undefined;
  /** What type and states do not say: of `condition_met` the condition, of one that has expired why; at most 512 characters */
  readonly detail?: string | undefined;
}

/** A journal of 100,000 is not to hold a failure's whole output so often: the record has it. */
const MAX_MESSAGE_CHARS = 512;

export const createdEvent = (vm: MicroVM): MicroVMEvent => ({
  ...namesOf(vm),
  type: "created",
  at: vm.createdAt,
  version: vm.version,
  stateBefore: undefined,
  state: vm.status.state,
});

export const changedEvent = (before: MicroVM, after: MicroVM): MicroVMEvent => {
  const { failure, exit } = after.status;
  const hasOtherLabels = !sameLabels(before, after);
  return {
    ...namesOf(after),
    type: typeOf(before, after, hasOtherLabels),
    at: after.updatedAt,
    version: after.version,
    stateBefore: before.status.state,
    state: after.status.state,
    ...(hasOtherLabels && { labelsBefore: before.spec.labels }),
    ...(failure !== before.status.failure && failure !== undefined && { failure: shortened(failure) }),
    ...(exit !== before.status.exit && exit !== undefined && { exit }),
    ...detailOf(before, after),
  };
};

export const deletedEvent = (vm: MicroVM, at: UnixMs): MicroVMEvent => ({
  ...namesOf(vm),
  type: "deleted",
  at,
  version: vm.version + 1,
  stateBefore: vm.status.state,
  state: undefined,
});

const typeOf = (before: MicroVM, after: MicroVM, hasOtherLabels: boolean): EventType => {
  if (before.deletedAt === undefined && after.deletedAt !== undefined) return "deleting";
  const wished = wishOf(before, after);
  if (wished !== undefined) return wished;
  if (after.status.retry > before.status.retry && RETRIES.has(after.status.state)) return "retrying";
  if (after.status.state !== before.status.state) return TYPE_OF_STATE[after.status.state];
  if (conditionMet(before, after) !== undefined) return "condition_met";
  if (hasOtherLabels) return "labels_changed";
  if (Object.keys(after.status.images).length > Object.keys(before.status.images).length) return "pulled";
  return "changed";
};

const detailOf = (before: MicroVM, after: MicroVM): Pick<MicroVMEvent, "detail"> => {
  const { expired } = after.status;
  const hasExpired = expired !== undefined && expired !== before.status.expired;
  const detail = hasExpired ? expiredText(expired) : conditionMet(before, after);
  return detail === undefined ? {} : { detail: detail.slice(0, MAX_MESSAGE_CHARS) };
};

/** The one that this change has brought. */
const conditionMet = ({ status: before }: MicroVM, { status: after }: MicroVM): string | undefined => {
  const { conditionsMet: now } = after;
  if (now === undefined || now === before.conditionsMet) return undefined;
  const isSameRun = now.readyAt === before.conditionsMet?.readyAt;
  return Object.keys(now.at).find((each) => !isSameRun || before.conditionsMet?.at[each] === undefined);
};

/** What somebody has asked for by this change, where it was a verb. */
const wishOf = (before: MicroVM, after: MicroVM): EventType | undefined => {
  const isSame = before.run.state === after.run.state && (before.run.isAnew || !after.run.isAnew);
  if (isSame) return undefined;
  switch (after.run.state) {
    case "stopped":
      return "stopping";
    case "paused":
      return "pausing";
    case "running":
      return before.run.state === "paused" && !after.run.isAnew ? "resuming" : "starting";
  }
};

/** Where a failed attempt is followed by another. */
const RETRIES: ReadonlySet<MicroVMState> = new Set(["pending", "deleting"]);

/** What it is to come into a state. */
const TYPE_OF_STATE: Readonly<Record<MicroVMState, EventType>> = {
  pending: "restarting",
  created: "running",
  paused: "paused",
  stopped: "stopped",
  exited: "exited",
  failed: "failed",
  deleting: "deleting",
};

const namesOf = ({ uid, namespace, id, spec: { labels } }: MicroVM) => ({ uid, namespace, name: id, labels });

const sameLabels = ({ spec: { labels: a } }: MicroVM, { spec: { labels: b } }: MicroVM): boolean => {
  if (a === b) return true;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && a[key] === b[key])
  );
};

const shortened = (failure: Failure): Failure =>
  failure.message.length <= MAX_MESSAGE_CHARS
    ? failure
    : { ...failure, message: `${failure.message.slice(0, MAX_MESSAGE_CHARS)}…` };
