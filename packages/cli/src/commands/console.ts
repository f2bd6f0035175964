import { consoleSession } from "../console-session.ts";
import { EXIT } from "../exit-codes.ts";
import type { Verb } from "../verb.ts";

export const console: Verb = {
  configure: (command) => {
    command.argument("<target>", "name, uid or unique prefix of a uid");
  },

  run: async (context, command) => {
    const client = await context.connect();
    const { namespace } = context.globals;
    await consoleSession(context, client, { target: command.args[0] ?? "", namespace });
    return EXIT.success;
  },
};
