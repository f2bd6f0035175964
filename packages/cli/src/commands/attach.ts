import { attachSession } from "../attach-session.ts";
import { isInteractive } from "../terminal.ts";
import type { Verb } from "../verb.ts";

export const attach: Verb = {
  configure: (command) => {
    command.argument("<target>", "name, uid or unique prefix of a uid");
  },

  run: async (context, command) => {
    const target = command.args[0] ?? "";
    const { namespace } = context.globals;
    const client = await context.connect();
    const vm = await client.microvms.get({ target, namespace }, { signal: context.signal });
    const isTty = vm.process?.tty === true && isInteractive(context.io);
    return attachSession(context, client, { target: vm.microvm?.spec?.uid ?? target, namespace: "", isTty });
  },
};
