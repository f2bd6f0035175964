/**
 * The command tree. A command's own file is loaded when the command is about to be parsed, so that
 * `flintlock version` does not pay for `flintlock run`.
 */
import { Command } from "commander";
import { globalOptions } from "./globals.ts";
import type { Io } from "./io.ts";
import type { Verb, VerbEntry } from "./verb.ts";
import { loadCommand, setLoader } from "./verb-loading.ts";
import { verbs } from "./verbs.ts";

export type Perform = (verb: Verb, command: Command) => Promise<void>;

export const createProgram = (io: Io, perform: Perform): Command => {
  const program = new Command("flintlock")
    .description("Creates microVMs from OCI images and looks after them.")
    .usage("[flags] COMMAND …")
    .enablePositionalOptions()
    .exitOverride()
    .helpCommand(false)
    .configureHelp({ showGlobalOptions: false })
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, "error[usage]: ")),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
  addGlobalOptions(program);
  addVerbs(program, verbs, perform);
  return program;
};

const addVerbs = (parent: Command, entries: readonly VerbEntry[], perform: Perform): void => {
  for (const entry of entries) {
    const { load, verbs: children } = entry;
    const command = parent
      .command(entry.name)
      .summary(entry.summary)
      .description(entry.summary)
      .aliases([...(entry.aliases ?? [])])
      .helpCommand(false);
    if (children !== undefined) {
      addGlobalOptions(command);
      addVerbs(command, children, perform);
    }
    if (load !== undefined) {
      setLoader(command, async () => {
        const verb = await load();
        verb.configure(command);
        addGlobalOptions(command);
        command.action(() => perform(verb, command));
      });
    }
  }
  parent.hook("preSubcommand", (_parent, command) => loadCommand(command));
};

/** Skips flags for which the command has a meaning of its own. */
const addGlobalOptions = (command: Command): void => {
  command.optionsGroup("Global flags:");
  for (const option of globalOptions()) {
    const isTaken = command.options.some(
      (own) => own.long === option.long || (own.short !== undefined && own.short === option.short),
    );
    if (!isTaken) command.addOption(option);
  }
};
