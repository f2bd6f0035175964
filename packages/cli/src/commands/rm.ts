import { codeOf, usageError } from "../cli-error.ts";
import { microvmView, uidOf } from "../microvm-view.ts";
import { parsePairs } from "../parse-flags.ts";
import { removeMicroVM } from "../remove.ts";
import { concludeTargets, forEachTarget, printsNames, requireTargets } from "../targets.ts";
import { collect, type Verb } from "../verb.ts";

interface RmFlags {
  readonly force?: boolean;
  readonly ignoreMissing?: boolean;
  readonly all?: boolean;
  readonly yes?: boolean;
  readonly label?: readonly string[];
  readonly wait: boolean;
}

export const rm: Verb = {
  configure: (command) => {
    command
      .argument("[target...]", "names, uids or unique prefixes of uids")
      .option("-f, --force", "no complaint about those that are missing")
      .option("--ignore-missing", "same as --force")
      .option("--all", "all microVMs (of the namespace, with --ns); needs --yes")
      .option("-l, --label <K=V>", "all with this label", collect)
      .option("-y, --yes", "do not ask: really all of them")
      .option("--no-wait", "return before they are gone");
  },

  run: async (context, command) => {
    const flags = command.opts<RmFlags>();
    const { globals, signal } = context;
    const isBulk = flags.all === true || flags.label !== undefined;
    if (isBulk && command.args.length > 0)
      throw usageError("name microVMs, or use --all or --label, not both");
    if (flags.all && !flags.yes) throw usageError("--all deletes every microVM", "flintlock rm --all --yes");
    if (!isBulk) requireTargets(command.args, "microVM");
    const client = await context.connect();
    const listed = isBulk
      ? (
          await client.microvms.list(
            { namespace: globals.namespace, labels: parsePairs("--label", flags.label ?? []) },
            { signal },
          )
        ).microvms
      : [];
    const { nameOf } = microvmView(listed);
    const names = new Map(listed.map((vm) => [uidOf(vm), nameOf(vm)]));
    const targets = isBulk ? [...names.keys()] : requireTargets(command.args, "microVM");
    const isMissingFine = flags.force === true || flags.ignoreMissing === true || isBulk;
    const outcomes = await forEachTarget(targets, signal, async (target) => {
      try {
        await removeMicroVM(client, target, globals.namespace, signal, flags.wait);
      } catch (error) {
        if (codeOf(error) === "not_found" && isMissingFine) return;
        throw error;
      }
      if (printsNames(context)) await context.print(`${names.get(target) ?? target}\n`);
    });
    return concludeTargets(context, outcomes);
  },
};
