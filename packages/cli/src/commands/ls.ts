import { ext } from "@flintlock/client";
import { EXIT } from "../exit-codes.ts";
import { askGuests } from "../guest-report.ts";
import { microvmView } from "../microvm-view.ts";
import { parseChoice, parsePairs } from "../parse-flags.ts";
import { collect, type Verb } from "../verb.ts";
import { watchList } from "../watched-list.ts";

const STATES = {
  pending: ext.State.PENDING,
  running: ext.State.RUNNING,
  paused: ext.State.PAUSED,
  stopped: ext.State.STOPPED,
  exited: ext.State.EXITED,
  failed: ext.State.FAILED,
  deleting: ext.State.DELETING,
} as const;
const STATE_NAMES = Object.keys(STATES) as (keyof typeof STATES)[];

export const ls: Verb = {
  configure: (command) => {
    command
      .option("-l, --label <K=V>", "only those with this label", collect)
      .option(
        "-s, --state <state>",
        "only those in this state, such as running; several are alternatives",
        collect,
      )
      .option("-w, --watch", "stay, and show each change")
      .option("-a, --all", "accepted; those that ended are always listed");
  },

  run: async (context, command) => {
    const {
      label = [],
      state = [],
      watch,
    } = command.opts<{
      label?: readonly string[];
      state?: readonly string[];
      watch?: boolean;
    }>();
    const states = state.map((text) => STATES[parseChoice("--state", text.toLowerCase(), STATE_NAMES)]);
    const filter = { namespace: context.globals.namespace, labels: parsePairs("--label", label), states };
    const client = await context.connect();
    if (watch === true) {
      await watchList(context, client, filter);
      return EXIT.success;
    }
    const { microvms } = await client.microvms.list(filter, { signal: context.signal });
    const isWide = context.globals.output === "wide";
    const reports = isWide ? await askGuests(client, microvms, context.signal) : undefined;
    await context.printList(microvmView(microvms, { reports }), microvms);
    return EXIT.success;
  },
};
