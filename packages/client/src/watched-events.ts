/** Changes of microVMs as plain objects, across broken connections and restarts of the daemon. */
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { events } from "@flintlock/api";
import { ClientError } from "./client-error.ts";
import { refuseUnknown } from "./create-options.ts";
import type { Abortable, DaemonLink } from "./daemon-link.ts";
import { enumWords } from "./enum-names.ts";
import {
  exitOf,
  failureOf,
  type GuestExit,
  type MicroVMFailure,
  type MicroVMState,
  stateName,
} from "./microvm-state.ts";

export type EventType = Lowercase<Exclude<keyof typeof events.Event_Type, "TYPE_UNSPECIFIED">>;

export interface MicroVMEvent {
  /** What to give as `since` to go on after this event; undefined for `present` */
  readonly position: string | undefined;
  readonly type: EventType;
  readonly at: Date | undefined;
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** Of the microVM after the change: one more than at the event before */
  readonly version: number;
  readonly stateBefore: MicroVMState;
  readonly state: MicroVMState;
  readonly labels: Readonly<Record<string, string>>;
  /** Where this change brought one */
  readonly failure: MicroVMFailure | undefined;
  readonly exit: GuestExit | undefined;
  /** What type and states do not say: of `condition_met` the condition; else empty */
  readonly detail: string;
}

export interface WatchOptions extends Abortable {
  /** After a position, from a time on, or "beginning": all that is kept. Absent: from now on */
  readonly since?: string | bigint | number | Date | undefined;
  readonly namespace?: string | undefined;
  /** A uid or a name */
  readonly target?: string | undefined;
  readonly types?: readonly EventType[] | undefined;
  /** Those that have these before the change or after it */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** First the microVMs that there are, each as `present`. Not together with `since` */
  readonly snapshot?: boolean | undefined;
  /** Ends once all that had happened when it began is told */
  readonly untilNow?: boolean | undefined;
  /** Also `bookmark`s, which are no changes: how far it has come, when it is quiet or others' changes go by */
  readonly bookmarks?: boolean | undefined;
}

const NAMES: Readonly<Record<keyof WatchOptions, true>> = {
  since: true,
  namespace: true,
  target: true,
  types: true,
  labels: true,
  snapshot: true,
  untilNow: true,
  bookmarks: true,
  signal: true,
};

/** @throws ClientError `out_of_range` – what follows `since` is no longer kept: list anew, or go on from `detail.first_position` */
export const watchEvents = async function* (
  link: DaemonLink,
  options: WatchOptions,
): AsyncGenerator<MicroVMEvent> {
  refuseUnknown(options, Object.keys(NAMES));
  const { since, types = [], bookmarks = false, signal } = options;
  const request = {
    since: since instanceof Date ? since.toISOString() : String(since ?? ""),
    namespace: options.namespace ?? "",
    target: options.target ?? "",
    types: types.map(typeNumber),
    labels: { ...options.labels },
    snapshot: options.snapshot === true,
    untilNow: options.untilNow === true,
  };
  const client = await link.ready({ signal });
  for await (const event of client.events.watch(request, { signal })) {
    if (bookmarks || event.type !== events.Event_Type.BOOKMARK) yield told(event);
  }
};

const TYPES = enumWords(events.Event_Type);

const typeNumber = (type: EventType): events.Event_Type => {
  const number = TYPES.numberOf(type);
  if (number !== undefined) return number as events.Event_Type;
  throw new ClientError("invalid_spec", `types: there is no ${JSON.stringify(type)}`, { field: "types" });
};

const told = (event: events.Event): MicroVMEvent => ({
  position: event.position === undefined ? undefined : String(event.position),
  // A type of a newer daemon is a change that we have no word for.
  type: (TYPES.wordOf(event.type) ?? "changed") as EventType,
  at: event.at && timestampDate(event.at),
  uid: event.uid,
  namespace: event.namespace,
  name: event.name,
  version: event.version,
  stateBefore: stateName(event.stateBefore),
  state: stateName(event.state),
  labels: event.labels,
  failure: failureOf(event.failure),
  exit: exitOf(event.exit),
  detail: event.detail,
});
