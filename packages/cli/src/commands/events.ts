import { events as api, type WatchRequest } from "@flintlock/client";
import { usageError } from "../cli-error.ts";
import type { Context } from "../context.ts";
import { eventLine, eventObject } from "../event-view.ts";
import { EXIT } from "../exit-codes.ts";
import { renderData } from "../output.ts";
import { parseChoice } from "../parse-flags.ts";
import { parseDurationMs } from "../units.ts";
import { collect, type Verb } from "../verb.ts";

/** What a change can be; the others are no changes. */
const TYPES = Object.entries(api.Event_Type)
  .filter(([, type]) => type > api.Event_Type.PRESENT)
  .map(([name]) => name.toLowerCase());

export const events: Verb = {
  configure: (command) => {
    command
      .option("-f, --follow", "go on as more happens")
      .option(
        "--since <when>",
        "10m ago, a time (RFC 3339), or after a position; without it all that is kept, and with -f what comes",
      )
      .option(
        "--filter <K=V>",
        "uid, name, namespace, type, or label=K=V; several types are alternatives",
        collect,
      )
      .option("--json", "one JSON object a line, as -o ndjson");
  },

  run: async (context, command) => {
    const flags = command.opts<{
      follow?: boolean;
      since?: string;
      filter?: readonly string[];
      json?: boolean;
    }>();
    const isFollowing = flags.follow === true;
    const since = flags.since === undefined ? (isFollowing ? "" : "beginning") : parseSince(flags.since);
    const request = {
      namespace: context.globals.namespace,
      ...parseFilters(flags.filter ?? []),
      since,
      untilNow: !isFollowing,
    };
    const render = renderer(context, flags.json === true);
    const client = await context.connect();
    for await (const event of client.events.watch(request, { signal: context.signal })) {
      if (event.type !== api.Event_Type.BOOKMARK) await context.print(await render(event));
    }
    return EXIT.success;
  },
};

const renderer = (
  { globals, palette }: Context,
  isJson: boolean,
): ((event: api.Event) => string | Promise<string>) => {
  if (globals.output === "yaml")
    return async (event) => `---\n${await renderData(eventObject(event), "yaml")}`;
  if (isJson || globals.output === "json" || globals.output === "ndjson") {
    return (event) => renderData(eventObject(event), "ndjson");
  }
  if (globals.output === "name" || globals.isQuiet) return ({ name }) => `${name}\n`;
  return (event) => eventLine(event, palette);
};

/** As the daemon takes it: how long ago is a time here. */
const parseSince = (text: string): string => {
  if (/^(?:\d+|beginning|\d{4}-.*)$/.test(text)) return text;
  return new Date(Date.now() - parseDurationMs("--since", text)).toISOString();
};

const parseFilters = (flags: readonly string[]): WatchRequest => {
  const types: api.Event_Type[] = [];
  const labels: Record<string, string> = {};
  const request: { namespace?: string; target?: string } = {};
  for (const text of flags) {
    const { key, value } = parsePair(text);
    switch (parseChoice("--filter", key, KEYS)) {
      case "type": {
        const name = parseChoice("--filter type", value.toLowerCase(), TYPES).toUpperCase();
        types.push(api.Event_Type[name as keyof typeof api.Event_Type]);
        break;
      }
      case "label": {
        const label = parsePair(value);
        labels[label.key] = label.value;
        break;
      }
      case "namespace":
        request.namespace = value;
        break;
      case "uid":
      case "name":
        if (request.target !== undefined) throw usageError(`--filter ${text}: one uid or name is possible`);
        request.target = value;
    }
  }
  return { ...request, types, labels };
};

const KEYS = ["uid", "name", "namespace", "type", "label"] as const;

const parsePair = (text: string): { readonly key: string; readonly value: string } => {
  const at = text.indexOf("=");
  if (at < 1) throw usageError(`--filter ${text}: expected KEY=VALUE`);
  return { key: text.slice(0, at), value: text.slice(at + 1) };
};
