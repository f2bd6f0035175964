/**
 * A list that stays true: what there is, then each change of it. On a terminal the table is drawn anew; anywhere else
 * what changed is a row, or an object, of its own: DELETING the last of one that goes. What fits no more is not said.
 */
import { type Client, events, ext } from "@flintlock/client";
import type { Context } from "./context.ts";
import { microvmView, uidOf } from "./microvm-view.ts";
import { type OutputFormat, renderList } from "./output.ts";

export interface WatchedList {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Empty = all */
  readonly states: readonly ext.State[];
}

export const watchList = async (
  context: Context,
  client: Client,
  { namespace, labels, states }: WatchedList,
): Promise<void> => {
  const shown = new Map<string, ext.MicroVM>();
  const isWanted = (vm: ext.MicroVM): boolean =>
    (states.length === 0 || states.includes(vm.state)) &&
    Object.entries(labels).every(([key, value]) => vm.microvm?.spec?.labels[key] === value);
  const view = context.io.stdout.isTTY === true && isTable(context) ? screen(context) : rows(context);
  const request = { namespace, labels: { ...labels }, snapshot: true, withMicrovms: true };
  let isComplete = false;
  for await (const { type, uid, microvm } of client.events.watch(request, { signal: context.signal })) {
    const isBookmark = type === events.Event_Type.BOOKMARK;
    // Shown once the snapshot is complete; later bookmarks bring nothing
    if (isBookmark && isComplete) continue;
    isComplete ||= isBookmark;
    const isThere = microvm !== undefined && isWanted(microvm);
    const last = shown.get(uid);
    if (isThere) shown.set(uid, microvm);
    else if (!isBookmark) shown.delete(uid);
    if (isBookmark) await view.all(() => sorted(shown));
    else if (isComplete) await view.changed(() => sorted(shown), isThere ? microvm : goneNow(microvm, last));
  }
};

/** The object is as it is now: one that went fast is gone before it was seen to go. */
const goneNow = (now: ext.MicroVM | undefined, last: ext.MicroVM | undefined): ext.MicroVM | undefined =>
  now === undefined && last !== undefined && last.state !== ext.State.DELETING
    ? { ...last, state: ext.State.DELETING }
    : undefined;

type List = readonly ext.MicroVM[];

interface WatchView {
  all(list: () => List): Promise<void>;
  /** `microvm`: the one to say something of */
  changed(list: () => List, microvm: ext.MicroVM | undefined): Promise<void>;
}

const sorted = (shown: ReadonlyMap<string, ext.MicroVM>): List =>
  [...shown.values()].sort((a, b) => (uidOf(a) < uidOf(b) ? -1 : 1));

/** A burst of changes is one picture: as many as an eye can follow. */
const REDRAW_MS = 100;
/** ECMA-48: to the upper left corner, and clear from there on */
const CLEAR = "\u001b[H\u001b[J";

const screen = (context: Context): WatchView => {
  let timer: NodeJS.Timeout | undefined;
  const draw = async (list: List): Promise<void> => {
    const table = await renderList(microvmView(list), list, formatOf(context), context.palette);
    await context.print(`${CLEAR}${table}`);
  };
  return {
    all: (list) => draw(list()),
    changed: async (list) => {
      if (timer !== undefined) return;
      timer = setTimeout(() => {
        timer = undefined;
        // A terminal that is gone ends us by a signal
        draw(list()).catch(() => undefined);
      }, REDRAW_MS).unref();
    },
  };
};

const rows = (context: Context): WatchView => {
  const render = (all: List, some: List): Promise<string> =>
    renderList(microvmView(all), some, formatOf(context), context.palette);
  return {
    all: async (list) => context.print(await render(list(), list())),
    changed: async (list, microvm) => {
      if (microvm === undefined) return;
      const text = await render(list(), [microvm]);
      // The titles stand above what there was to begin with
      await context.print(isTable(context) ? text.slice(text.indexOf("\n") + 1) : text);
    },
  };
};

/** One array would never end. */
const formatOf = ({ globals }: Context): OutputFormat => {
  const format = globals.output ?? (globals.isQuiet ? "name" : "table");
  return format === "json" ? "ndjson" : format;
};

const isTable = (context: Context): boolean => ["table", "wide"].includes(formatOf(context));
