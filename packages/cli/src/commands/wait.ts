import { type Client, ext } from "@flintlock/client";
import { CliError, codeOf } from "../cli-error.ts";
import type { Context } from "../context.ts";
import { nameOf, stateOf } from "../microvm-view.ts";
import { parseChoice } from "../parse-flags.ts";
import { codeOfExit } from "../session-end.ts";
import { concludeTargets, forEachTarget, printsNames, requireTargets } from "../targets.ts";
import type { Verb } from "../verb.ts";

const CONDITIONS = ["running", "paused", "stopped", "exited", "deleted", "settled"] as const;
type Condition = (typeof CONDITIONS)[number];

export const wait: Verb = {
  configure: (command) => {
    command
      .argument("<target...>", "names, uids or unique prefixes of uids")
      .option("--for <condition>", CONDITIONS.join(" | "), "exited");
  },

  run: async (context, command) => {
    const condition = parseChoice("--for", command.opts<{ for: string }>().for, CONDITIONS);
    const targets = requireTargets(command.args, "microVM");
    const client = await context.connect();
    const outcomes = await forEachTarget(targets, context.signal, async (target) => {
      const line = await waitFor(context, client, target, condition);
      if (line !== undefined && printsNames(context)) await context.print(`${line}\n`);
      return line;
    });
    return concludeTargets(context, outcomes);
  },
};

/** What to print: for `exited` the code, as docker does; nothing for the others. */
const waitFor = async (
  { globals, signal }: Context,
  client: Client,
  target: string,
  condition: Condition,
): Promise<string | undefined> => {
  let last: ext.MicroVM | undefined;
  try {
    const changes = client.microvms.wait({ target, namespace: globals.namespace, condition }, { signal });
    for await (const vm of changes) {
      last = vm;
      if (condition === "running" || condition === "exited") refuseHopeless(vm, condition);
    }
  } catch (error) {
    if (condition === "deleted" && codeOf(error) === "not_found") return undefined;
    throw error;
  }
  return condition === "exited" ? String(codeOfExit(last?.exit)) : undefined;
};

/** The daemon waits as long as we let it; these states lead to neither. */
const refuseHopeless = (vm: ext.MicroVM, condition: "running" | "exited"): void => {
  const hasEnded = vm.state === ext.State.EXITED && condition === "running";
  if (vm.state !== ext.State.FAILED && vm.state !== ext.State.DELETING && !hasEnded) return;
  throw new CliError("failed_precondition", `microVM ${nameOf(vm)} is ${stateOf(vm)}`, {
    why: vm.failure?.message,
  });
};
