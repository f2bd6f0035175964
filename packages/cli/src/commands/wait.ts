/** `wait`: until microVMs are in a state, or their guests as far as it takes. */
import { type Client, ext } from "@flintlock/client";
import { CliError, codeOf } from "../cli-error.ts";
import type { Context } from "../context.ts";
import { GUEST_CONDITIONS, parseGuestConditions } from "../guest-conditions.ts";
import { nameOf, stateOf } from "../microvm-view.ts";
import { codeOfExit } from "../session-end.ts";
import { concludeTargets, forEachTarget, printsNames, requireTargets } from "../targets.ts";
import { collect, type Verb } from "../verb.ts";

const STATES = ["running", "paused", "stopped", "exited", "deleted", "settled"] as const;
type State = (typeof STATES)[number];

/** One target, and what was last seen of it */
interface Waiting {
  readonly context: Context;
  readonly client: Client;
  readonly target: string;
  seen(words: string): void;
}

export const wait: Verb = {
  configure: (command) => {
    command
      .argument("<target...>", "names, uids or unique prefixes of uids")
      .option(
        "--for <condition>",
        `${STATES.join(" | ")} (default: exited), or of its guest, several if need be: ${GUEST_CONDITIONS}`,
        collect,
      );
  },

  run: async (context, command) => {
    const wanted = command.opts<{ for?: readonly string[] }>().for ?? ["exited"];
    const state = STATES.find((each) => wanted.length === 1 && wanted[0] === each);
    const conditions = state === undefined ? parseGuestConditions("--for", wanted.flatMap(noState)) : [];
    const targets = requireTargets(command.args, "microVM");
    const client = await context.connect();
    const last = new Map<string, string>();
    const outcomes = await forEachTarget(targets, context.signal, async (target) => {
      const waiting = { context, client, target, seen: (words: string) => void last.set(target, words) };
      const line =
        state === undefined ? await waitForGuest(waiting, conditions) : await waitForState(waiting, state);
      last.delete(target);
      if (line !== undefined && printsNames(context)) await context.print(`${line}\n`);
      return line;
    });
    sayWhatWasSeen(context.signal, last);
    return concludeTargets(context, outcomes);
  },
};

/** @throws CliError `usage` – a state beside something else */
const noState = (text: string): readonly string[] => {
  if (!STATES.some((state) => state === text)) return [text];
  throw new CliError("usage", `--for ${text}: a state is waited for by itself`);
};

/** What to print: for `exited` the code, as docker does; nothing for the others. */
const waitForState = async (
  { context: { globals, signal }, client, target, seen }: Waiting,
  condition: State,
): Promise<string | undefined> => {
  let last: ext.MicroVM | undefined;
  try {
    const changes = client.microvms.wait({ target, namespace: globals.namespace, condition }, { signal });
    for await (const vm of changes) {
      last = vm;
      seen(`it is ${stateOf(vm)}`);
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

/** What to print: for `ip` the addresses; nothing for the others. */
const waitForGuest = async (
  { context: { globals, signal }, client, target, seen }: Waiting,
  conditions: readonly string[],
): Promise<string | undefined> => {
  let addresses: string | undefined;
  const request = { target, namespace: globals.namespace, conditions: [...conditions] };
  for await (const answer of client.microvms.probe(request, { signal })) {
    seen(`${answer.condition}: ${answer.seen}`);
    if (answer.met && answer.condition === "ip") addresses = answer.seen;
  }
  return addresses;
};

/** @throws CliError `deadline_exceeded` – with what was seen of those that are still waited for */
const sayWhatWasSeen = (signal: AbortSignal, last: ReadonlyMap<string, string>): void => {
  const { reason } = signal;
  if (!(reason instanceof CliError) || last.size === 0) return;
  const why = [...last].map(([target, words]) => `${target}: ${words}`).join("\n");
  throw new CliError(reason.code, reason.message, { why });
};
