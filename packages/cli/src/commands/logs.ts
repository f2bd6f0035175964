import type { Context } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { writeAll } from "../io.ts";
import { parseChoice, parseCount } from "../parse-flags.ts";
import type { Verb } from "../verb.ts";

const SOURCES = ["console", "vmm", "agent", "init", "all"] as const;

export const logs: Verb = {
  configure: (command) => {
    command
      .argument("<target>", "name, uid or unique prefix of a uid")
      .option("-f, --follow", "go on as more is written")
      .option("--tail <n>", "the last lines only, of each source", "0")
      .option("--since <when>", "what came since then: 10m ago, or a time (RFC 3339)", "")
      .option(
        "--source <console|vmm|agent|init|all>",
        "the guest's console, the VMM's own words, what our agent or init reports from the guest, or all of them",
        "console",
      );
  },

  run: async (context, command) => {
    const flags = command.opts<{ follow?: boolean; tail: string; since: string; source: string }>();
    const source = parseChoice("--source", flags.source, SOURCES);
    const request = {
      target: command.args[0] ?? "",
      namespace: context.globals.namespace,
      follow: flags.follow === true,
      tail: parseCount("--tail", flags.tail),
      since: flags.since,
      source,
    };
    const client = await context.connect();
    const write = source === "all" ? namedLines(context) : plain(context);
    for await (const piece of client.microvms.logs(request, { signal: context.signal })) await write(piece);
    return EXIT.success;
  },
};

type Write = (piece: { readonly data: Uint8Array; readonly source: string }) => Promise<void>;

const plain =
  ({ io, signal }: Context): Write =>
  ({ data }) =>
    writeAll(io.stdout, data, signal);

/** Each line with its source before it; one that is cut off by another source is ended. */
const namedLines = ({ io, signal, palette }: Context): Write => {
  let last: { source: string; isLineOpen: boolean } | undefined;
  return async ({ data, source }) => {
    const isSame = last?.source === source;
    const name = palette.dim(`${source.padEnd(7)} | `);
    let text = last?.isLineOpen && !isSame ? "\n" : "";
    let isLineOpen = isSame && last?.isLineOpen === true;
    for (const line of Buffer.from(data)
      .toString("latin1")
      .split(/(?<=\n)/)) {
      text += isLineOpen ? line : `${Buffer.from(name).toString("latin1")}${line}`;
      isLineOpen = !line.endsWith("\n");
    }
    last = { source, isLineOpen };
    await writeAll(io.stdout, Buffer.from(text, "latin1"), signal);
  };
};
