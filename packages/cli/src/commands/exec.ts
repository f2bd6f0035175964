import { usageError } from "../cli-error.ts";
import { keepSeparator, runTarget } from "../command-separator.ts";
import { EXIT } from "../exit-codes.ts";
import { runGuestCommand } from "../guest-command.ts";
import { collect, type Verb } from "../verb.ts";

interface ExecFlags {
  readonly env?: readonly string[];
  readonly cwd?: string;
  readonly user?: string;
  readonly tty?: boolean;
  readonly stdin?: boolean;
}

export const exec: Verb = {
  failureCode: EXIT.notRun,

  configure: (command) => {
    command
      .usage("[flags] TARGET [--] CMD…")
      .argument("<target>", "name, uid or unique prefix of a uid")
      .argument("[command...]", "program in the guest and its arguments")
      .passThroughOptions();
    keepSeparator(command);
    command
      .option("-u, --user <user[:group]>", "user in the guest; root when absent")
      .option("-w, --cwd <path>", "working directory in the guest; made when missing")
      .option("-e, --env <K=V>", "environment; K alone takes its value from here", collect)
      .option("-t, --tty", "give the command a terminal; the default when we have one")
      .option("--no-tty", "give the command no terminal")
      .option("--no-stdin", "leave our stdin alone");
  },

  run: async (context, command) => {
    const flags = command.opts<ExecFlags>();
    const { image: target = "", command: words } = runTarget(command.args);
    const [cmd = "", ...args] = words;
    if (target === "") throw usageError("no microVM was named", "flintlock exec NAME -- CMD");
    if (cmd === "") throw usageError("no command was given", `flintlock exec ${target} -- CMD`);
    const { env, cwd, user, tty } = flags;
    const hasInput = flags.stdin !== false;
    return runGuestCommand(context, { target, words: [cmd, ...args], env, cwd, user, tty, hasInput });
  },
};
