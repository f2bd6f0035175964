import { EXIT } from "../exit-codes.ts";
import { writeAll } from "../io.ts";
import { parseChoice, parseCount } from "../parse-flags.ts";
import type { Verb } from "../verb.ts";

const SOURCES = ["console", "vmm"] as const;

export const logs: Verb = {
  configure: (command) => {
    command
      .argument("<target>", "name, uid or unique prefix of a uid")
      .option("-f, --follow", "go on as more is written")
      .option("--tail <n>", "the last lines only", "0")
      .option("--source <console|vmm>", "the guest's console, or the VMM's own words", "console");
  },

  run: async (context, command) => {
    const flags = command.opts<{ follow?: boolean; tail: string; source: string }>();
    const request = {
      target: command.args[0] ?? "",
      namespace: context.globals.namespace,
      follow: flags.follow === true,
      tail: parseCount("--tail", flags.tail),
      source: parseChoice("--source", flags.source, SOURCES),
    };
    const client = await context.connect();
    for await (const { data } of client.microvms.logs(request, { signal: context.signal })) {
      await writeAll(context.io.stdout, data, context.signal);
    }
    return EXIT.success;
  },
};
