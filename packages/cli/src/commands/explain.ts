/** `explain`: where a microVM's time went, what happened to it, and what is wrong with it. */
import type { Client, events } from "@flintlock/client";
import { adviceFor } from "../advice.ts";
import { codeOf } from "../cli-error.ts";
import { eventObject } from "../event-view.ts";
import { EXIT } from "../exit-codes.ts";
import { type Evidence, explanation } from "../explanation.ts";
import { lastLines } from "../last-lines.ts";
import { microvmView, uidOf } from "../microvm-view.ts";
import { object, renderData } from "../output.ts";
import type { Verb } from "../verb.ts";

/** Of one microVM; the journal keeps 100,000 of all together */
const MAX_EVENTS = 1000;

export const explain: Verb = {
  configure: (command) => {
    command.argument("<target>", "name, uid or unique prefix of a uid");
  },

  run: async (context, command) => {
    const { globals, signal, palette } = context;
    const client = await context.connect();
    const vm = await client.microvms.get(
      { target: command.args[0] ?? "", namespace: globals.namespace },
      { signal },
    );
    const target = uidOf(vm);
    const evidence = {
      vm,
      events: await eventsOf(client, target, signal),
      console: await lastLines(client, target, "console", signal),
      vmm: await lastLines(client, target, "vmm", signal),
    };
    const { output } = globals;
    const isData = output === "json" || output === "ndjson" || output === "yaml";
    await context.print(
      isData ? await renderData(asObject(evidence), output) : explanation(evidence, palette),
    );
    return EXIT.success;
  },
};

const eventsOf = async (
  client: Client,
  target: string,
  signal: AbortSignal,
): Promise<readonly events.Event[]> => {
  const found: events.Event[] = [];
  const request = { target, since: "beginning", untilNow: true };
  try {
    for await (const event of client.events.watch(request, { signal })) {
      // A bookmark is about nobody.
      if (event.uid !== "") found.push(event);
      if (found.length > MAX_EVENTS) found.shift();
    }
  } catch (error) {
    // Compacted while it was read: what was read already, and the rest of the evidence, can still be told.
    if (codeOf(error) !== "out_of_range") throw error;
  }
  return found;
};

const asObject = ({ vm, events, console, vmm }: Evidence) =>
  object("Explanation", {
    microvm: microvmView([vm]).toObject(vm),
    events: events.map(eventObject),
    console,
    vmm,
    advice: adviceFor(vm) ?? "",
  });
