import { type Client, ext } from "@flintlock/client";
import type { Context } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { uidOf } from "../microvm-view.ts";
import { type OutputFormat, renderList } from "../output.ts";
import { concludeTargets, forEachTarget, type Outcome } from "../targets.ts";
import { parseDurationMs } from "../units.ts";
import { type Usage, usageView } from "../usage-view.ts";
import type { Verb } from "../verb.ts";

/** ECMA-48: to the upper left corner, and clear from there on */
const CLEAR = "\u001b[H\u001b[J";
/** Between the two looks that one answer takes */
const ONCE_MS = 1000;

interface TopFlags {
  readonly once?: boolean;
  readonly interval: string;
}

export const top: Verb = {
  configure: (command) => {
    command
      .argument("[target...]", "names, uids or unique prefixes of uids; all that run when there is none")
      .option("--once", "print one table and end; so it does where stdout is no terminal")
      .option("--interval <duration>", "between two looks", "2s");
  },

  run: async (context, command) => {
    const { once, interval } = command.opts<TopFlags>();
    const intervalMs = parseDurationMs("--interval", interval);
    const format = context.globals.output ?? (context.globals.isQuiet ? "name" : "table");
    const isTable = format === "table" || format === "wide";
    const isLive = once !== true && isTable && context.io.stdout.isTTY === true;
    const client = await context.connect();
    const look = looks(context, client, command.args);
    let outcomes = await look();
    await elapsed(isLive ? Math.min(intervalMs, ONCE_MS) : ONCE_MS, context.signal);
    for (;;) {
      outcomes = await look();
      const text = await render(context, usagesOf(outcomes), format);
      await context.print(isLive ? `${CLEAR}${text}` : text);
      if (!isLive) break;
      await elapsed(intervalMs, context.signal);
    }
    if (command.args.length === 0) return EXIT.success;
    return concludeTargets(context, outcomes, { isDataPrinted: true });
  },
};

/** Each look knows the one before. One that went while it was looked at is none that was asked for by name. */
const looks = (context: Context, client: Client, names: readonly string[]) => {
  const { signal, globals } = context;
  const { namespace } = globals;
  const seen = new Map<string, ext.StatsResponse>();
  return async (): Promise<readonly Outcome<Usage>[]> => {
    const targets = names.length > 0 ? [...new Set(names)] : await running(client, namespace, signal);
    const outcomes = await forEachTarget(targets, signal, async (target): Promise<Usage> => {
      const now = await client.microvms.stats({ target, namespace }, { signal });
      const before = seen.get(now.uid);
      seen.set(now.uid, now);
      return { now, before };
    });
    signal.throwIfAborted();
    return outcomes;
  };
};

const running = async (
  client: Client,
  namespace: string,
  signal: AbortSignal,
): Promise<readonly string[]> => {
  const states = [ext.State.RUNNING, ext.State.PAUSED];
  const { microvms } = await client.microvms.list({ namespace, states }, { signal });
  return microvms.map(uidOf);
};

const usagesOf = (outcomes: readonly Outcome<Usage>[]): readonly Usage[] =>
  outcomes.flatMap((outcome) => ("value" in outcome ? [outcome.value] : []));

const render = (context: Context, usages: readonly Usage[], format: OutputFormat): Promise<string> => {
  const { columns, wideColumns = [] } = usageView;
  const view = { ...usageView, wideColumns: [...columns, ...wideColumns] };
  return renderList(view, usages, format, context.palette);
};

const elapsed = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
