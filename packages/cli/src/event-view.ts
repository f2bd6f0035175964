/** Events as lines and as objects. */
import { events, ext, timestampDate, toJson } from "@flintlock/client";
import { stateName } from "./microvm-view.ts";
import { type OutputObject, object } from "./output.ts";
import type { Palette } from "./palette.ts";
import { printable } from "./printable.ts";

const TYPE_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(events.Event_Type).map(([name, number]) => [number, name]),
);
/** Such as `running`. */
export const typeOf = ({ type }: events.Event): string =>
  (TYPE_NAMES.get(type) ?? String(type)).toLowerCase();

/** `2026-11-25T02:00:00.120Z  exited          default/web  01K… RUNNING -> EXITED  code 3` */
export const eventLine = (event: events.Event, palette: Palette): string => {
  const at = event.at === undefined ? "-" : timestampDate(event.at).toISOString();
  const parts = [
    palette.dim(at),
    colorOf(event, palette)(typeOf(event).padEnd(TYPE_WIDTH)),
    printable(`${event.namespace}/${event.name}`),
    palette.dim(event.uid),
    ...[statesOf(event), reasonOf(event)].filter((part) => part !== "").map(printable),
  ];
  return `${parts.join("  ")}\n`;
};

/** `labels_changed` */
const TYPE_WIDTH = 14;

export const eventObject = (event: events.Event): OutputObject =>
  object("Event", toJson(events.EventSchema, event, { alwaysEmitImplicit: true }) as Record<string, unknown>);

const statesOf = ({ stateBefore, state }: events.Event): string => {
  if (state === ext.State.STATE_UNSPECIFIED || state === stateBefore) return "";
  return stateBefore === ext.State.STATE_UNSPECIFIED
    ? stateName(state)
    : `${stateName(stateBefore)} -> ${stateName(state)}`;
};

/** Why, where the event says so. */
export const reasonOf = ({ failure, exit, detail }: events.Event): string => {
  if (detail !== "") return detail;
  if (failure !== undefined) return `${failure.step}: ${failure.message}`;
  if (exit === undefined) return "";
  return exit.code === undefined ? exit.reason : `code ${exit.code}`;
};

const colorOf = ({ type }: events.Event, palette: Palette): ((text: string) => string) => {
  switch (type) {
    case events.Event_Type.RUNNING:
      return palette.green;
    case events.Event_Type.FAILED:
      return palette.red;
    case events.Event_Type.RETRYING:
      return palette.yellow;
    default:
      return palette.bold;
  }
};
