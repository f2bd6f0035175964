import { codeOf } from "../cli-error.ts";
import { concludeTargets, forEachTarget, printsNames, requireTargets } from "../targets.ts";
import type { Verb } from "../verb.ts";

export const imageRm: Verb = {
  configure: (command) => {
    command
      .argument("<reference...>", "image references")
      .option("--ignore-missing", "no complaint about those that are missing");
  },

  run: async (context, command) => {
    const references = requireTargets(command.args, "image");
    const isMissingFine = command.opts<{ ignoreMissing?: boolean }>().ignoreMissing === true;
    const client = await context.connect();
    const outcomes = await forEachTarget(references, context.signal, async (reference) => {
      try {
        await client.images.remove({ reference }, { signal: context.signal });
      } catch (error) {
        if (codeOf(error) === "not_found" && isMissingFine) return;
        throw error;
      }
      if (printsNames(context)) await context.print(`${reference}\n`);
    });
    return concludeTargets(context, outcomes);
  },
};
