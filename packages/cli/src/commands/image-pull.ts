import { imageView } from "../image-view.ts";
import { parseChoice } from "../parse-flags.ts";
import { followPull } from "../pull.ts";
import { concludeTargets, forEachTarget, printsNames, requireTargets } from "../targets.ts";
import type { Verb } from "../verb.ts";

const POLICIES = ["missing", "always"] as const;

export const imagePull: Verb = {
  configure: (command) => {
    command
      .argument("<reference...>", "image references")
      .option("--policy <missing|always>", "always asks the registry again", "missing");
  },

  run: async (context, command) => {
    const references = requireTargets(command.args, "image");
    const policy = parseChoice("--policy", command.opts<{ policy: string }>().policy, POLICIES);
    const client = await context.connect();
    const view = imageView();
    const outcomes = [];
    // One after the other: two progress displays cannot share a screen, and layers are fetched in parallel.
    for (const reference of references) {
      const [outcome] = await forEachTarget([reference], context.signal, async () => {
        const responses = client.images.pull({ reference, policy }, { signal: context.signal });
        const images = await followPull(context, reference, "pulled", responses);
        if (printsNames(context))
          await context.print(images.map((image) => `${view.nameOf(image)}\n`).join(""));
      });
      if (outcome !== undefined) outcomes.push(outcome);
    }
    return concludeTargets(context, outcomes);
  },
};
