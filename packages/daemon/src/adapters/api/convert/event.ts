/** A change of a microVM to `flintlock.v1.Event`, and what is asked to be watched. */
import { create } from "@bufbuild/protobuf";
import { events, ext } from "@flintlock/api";
import { type EventType, invalidField, type MicroVM, type Watched, type WatchRequest } from "@flintlock/core";
import { wireExit, wireExtended, wireFailure, wireState } from "./extension.ts";
import { timestamp } from "./microvm.ts";

const TYPES = {
  created: events.Event_Type.CREATED,
  pulled: events.Event_Type.PULLED,
  running: events.Event_Type.RUNNING,
  paused: events.Event_Type.PAUSED,
  stopped: events.Event_Type.STOPPED,
  exited: events.Event_Type.EXITED,
  starting: events.Event_Type.STARTING,
  stopping: events.Event_Type.STOPPING,
  pausing: events.Event_Type.PAUSING,
  resuming: events.Event_Type.RESUMING,
  retrying: events.Event_Type.RETRYING,
  restarting: events.Event_Type.RESTARTING,
  failed: events.Event_Type.FAILED,
  condition_met: events.Event_Type.CONDITION_MET,
  labels_changed: events.Event_Type.LABELS_CHANGED,
  changed: events.Event_Type.CHANGED,
  deleting: events.Event_Type.DELETING,
  deleted: events.Event_Type.DELETED,
} as const satisfies Record<EventType, events.Event_Type>;

const KNOWN_TYPES: ReadonlyMap<number, EventType> = new Map(
  (Object.keys(TYPES) as EventType[]).map((type) => [TYPES[type], type]),
);

/** @throws FlintlockError `invalid_spec` – a type that no change has */
export const watchRequest = (request: events.WatchEventsRequest): WatchRequest => ({
  since: request.since,
  filter: {
    namespace: request.namespace,
    target: request.target,
    types: request.types.map((type, index) => {
      const known = KNOWN_TYPES.get(type);
      if (known !== undefined) return known;
      throw invalidField(`types[${index}]`, `${type} is not a type of change`);
    }),
    labels: request.labels,
  },
  hasSnapshot: request.snapshot,
  isUntilNow: request.untilNow,
});

export const wireWatched = (item: Watched, withMicroVMs: boolean): events.Event => {
  switch (item.kind) {
    case "bookmark":
      return create(events.EventSchema, {
        type: events.Event_Type.BOOKMARK,
        position: BigInt(item.position),
        at: timestamp(item.at),
      });
    case "present":
      return wirePresent(item.microvm, withMicroVMs);
    case "event":
      return wireEvent(item, withMicroVMs);
  }
};

const wirePresent = (vm: MicroVM, withMicroVM: boolean): events.Event =>
  create(events.EventSchema, {
    type: events.Event_Type.PRESENT,
    at: timestamp(vm.updatedAt),
    uid: vm.uid,
    namespace: vm.namespace,
    name: vm.id,
    version: vm.version,
    state: wireState(vm.status.state),
    labels: { ...vm.spec.labels },
    ...(withMicroVM && { microvm: wireExtended(vm) }),
  });

const wireEvent = (
  { position, event, microvm }: Watched & { kind: "event" },
  withMicroVM: boolean,
): events.Event =>
  create(events.EventSchema, {
    position: BigInt(position),
    type: TYPES[event.type],
    at: timestamp(event.at),
    uid: event.uid,
    namespace: event.namespace,
    name: event.name,
    version: event.version,
    stateBefore: event.stateBefore === undefined ? ext.State.STATE_UNSPECIFIED : wireState(event.stateBefore),
    state: event.state === undefined ? ext.State.STATE_UNSPECIFIED : wireState(event.state),
    labels: { ...event.labels },
    ...(event.failure !== undefined && { failure: wireFailure(event.failure) }),
    ...(event.exit !== undefined && { exit: wireExit(event.exit) }),
    ...(event.detail !== undefined && { detail: event.detail }),
    ...(withMicroVM && microvm !== undefined && { microvm: wireExtended(microvm) }),
  });
