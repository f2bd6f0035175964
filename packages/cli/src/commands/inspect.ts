import { askGuests } from "../guest-report.ts";
import { microvmView, nameOf } from "../microvm-view.ts";
import { dataFormat, renderData } from "../output.ts";
import { concludeTargets, forEachTarget, requireTargets } from "../targets.ts";
import type { Verb } from "../verb.ts";

export const inspect: Verb = {
  configure: (command) => {
    command.argument("<target...>", "names, uids or unique prefixes of uids");
  },

  run: async (context, command) => {
    const { globals, signal } = context;
    const targets = requireTargets(command.args, "microVM");
    const client = await context.connect();
    const outcomes = await forEachTarget(targets, signal, (target) =>
      client.microvms.get({ target, namespace: globals.namespace }, { signal }),
    );
    const found = outcomes.flatMap((outcome) => ("error" in outcome ? [] : [outcome.value]));
    if (globals.output === "name") await context.print(found.map((vm) => `${nameOf(vm)}\n`).join(""));
    else if (found.length > 0) {
      const view = microvmView(found, { reports: await askGuests(client, found, signal) });
      // An array even of one, as docker has it: scripts need not tell the cases apart.
      await context.print(await renderData(found.map(view.toObject), dataFormat(globals.output)));
    }
    return concludeTargets(context, outcomes, { isDataPrinted: true });
  },
};
