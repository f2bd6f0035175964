import { EXIT } from "../exit-codes.ts";
import { microvmView } from "../microvm-view.ts";
import { parsePairs } from "../parse-flags.ts";
import { collect, type Verb } from "../verb.ts";

export const ls: Verb = {
  configure: (command) => {
    command
      .option("-l, --label <K=V>", "only those with this label", collect)
      .option("-a, --all", "accepted; those that ended are always listed");
  },

  run: async (context, command) => {
    const { label = [] } = command.opts<{ label?: readonly string[] }>();
    const client = await context.connect();
    const { microvms } = await client.microvms.list(
      { namespace: context.globals.namespace, labels: parsePairs("--label", label) },
      { signal: context.signal },
    );
    await context.printList(microvmView(microvms), microvms);
    return EXIT.success;
  },
};
