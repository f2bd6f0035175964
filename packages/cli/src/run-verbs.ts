/** `start`, `stop`, `restart`, `kill`, `pause`, `resume`: each asks for something of several microVMs and waits until it is so. */
import { type CallOptions, type Client, ext } from "@flintlock/client";
import { CliError } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { nameOf, stateOf, uidOf } from "./microvm-view.ts";
import { concludeTargets, forEachTarget, printsNames, requireTargets } from "./targets.ts";
import { parseDurationMs } from "./units.ts";
import type { Verb } from "./verb.ts";

interface RunVerb {
  ask(client: Client, asked: Asked, options: CallOptions): Promise<ext.MicroVM>;
  /** As `Wait` has it */
  readonly condition: "settled" | "stopped" | "paused";
  /** States that are a success; one that starts may have ended again by the time we look */
  readonly states: readonly ext.State[];
  /** Takes `--grace` and `--force` */
  readonly hasGrace?: boolean;
}

interface Asked {
  readonly target: string;
  readonly namespace: string;
  readonly graceSeconds?: number;
  readonly force?: boolean;
}

interface Flags {
  readonly wait: boolean;
  readonly grace?: string;
  readonly force?: boolean;
}

const { RUNNING, EXITED, STOPPED, PAUSED } = ext.State;

export const start = (): Verb =>
  runVerb({
    ask: (client, asked, options) => client.microvms.start(asked, options),
    condition: "settled",
    states: [RUNNING, EXITED],
  });

export const stop = (): Verb =>
  runVerb({
    ask: (client, asked, options) => client.microvms.stop(asked, options),
    condition: "stopped",
    states: [STOPPED],
    hasGrace: true,
  });

export const kill = (): Verb =>
  runVerb({
    ask: (client, asked, options) => client.microvms.stop({ ...asked, force: true }, options),
    condition: "stopped",
    states: [STOPPED],
  });

export const restart = (): Verb =>
  runVerb({
    ask: (client, asked, options) => client.microvms.restart(asked, options),
    condition: "settled",
    states: [RUNNING, EXITED],
    hasGrace: true,
  });

export const pause = (): Verb =>
  runVerb({
    ask: (client, asked, options) => client.microvms.pause(asked, options),
    condition: "paused",
    states: [PAUSED],
  });

export const resume = (): Verb =>
  runVerb({
    ask: (client, asked, options) => client.microvms.resume(asked, options),
    condition: "settled",
    states: [RUNNING, EXITED],
  });

const runVerb = (verb: RunVerb): Verb => ({
  configure: (command) => {
    command.argument("<target...>", "names, uids or unique prefixes of uids");
    if (verb.hasGrace) {
      command
        .option("-g, --grace <duration>", "time to end by itself, e.g. 30s; the daemon's setting when absent")
        .option("-f, --force", "end it at once");
    }
    command.option("--no-wait", "return before it is so");
  },

  run: async (context, command) => {
    const flags = command.opts<Flags>();
    const asked = { namespace: context.globals.namespace, ...graceOf(flags) };
    const targets = requireTargets(command.args, "microVM");
    const client = await context.connect();
    const outcomes = await forEachTarget(targets, context.signal, async (target) => {
      const vm = await verb.ask(client, { target, ...asked }, { signal: context.signal });
      if (flags.wait) await waitFor(context, client, vm, verb);
      if (printsNames(context)) await context.print(`${target}\n`);
    });
    return concludeTargets(context, outcomes);
  },
});

const graceOf = ({ grace, force = false }: Flags): Pick<Asked, "graceSeconds" | "force"> => ({
  force,
  ...(grace !== undefined && { graceSeconds: Math.ceil(parseDurationMs("--grace", grace) / 1000) }),
});

/** @throws CliError – it came to something else, because it failed or somebody else asked for that */
const waitFor = async (
  { signal }: Context,
  client: Client,
  asked: ext.MicroVM,
  { condition, states }: RunVerb,
): Promise<void> => {
  let last = asked;
  for await (const vm of client.microvms.wait({ target: uidOf(asked), condition }, { signal })) last = vm;
  if (states.includes(last.state)) return;
  const { failure } = last;
  throw new CliError(failure?.code || "failed_precondition", `microVM ${nameOf(last)} is ${stateOf(last)}`, {
    why: failure?.message,
  });
};
