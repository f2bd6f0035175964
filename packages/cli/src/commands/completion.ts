import type { Command } from "commander";
import { completionScript, SHELLS } from "../completion-script.ts";
import { EXIT } from "../exit-codes.ts";
import { parseChoice } from "../parse-flags.ts";
import type { Verb } from "../verb.ts";
import { loadTree } from "../verb-loading.ts";

export const completion: Verb = {
  configure: (command) => {
    command
      .argument("<shell>", SHELLS.join(" | "))
      .addHelpText(
        "after",
        "\nbash: source <(flintlock completion bash)\nfish: flintlock completion fish | source",
      );
  },

  run: async (context, command) => {
    const shell = parseChoice("completion", command.args[0] ?? "", SHELLS);
    const root = rootOf(command);
    await loadTree(root);
    await context.print(completionScript(shell, root));
    return EXIT.success;
  },
};

const rootOf = (command: Command): Command => (command.parent === null ? command : rootOf(command.parent));
