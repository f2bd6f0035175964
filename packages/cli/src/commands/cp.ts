import { usageError } from "../cli-error.ts";
import type { Context } from "../context.ts";
import { type CopyArgument, parseCopyArgument } from "../copy/copy-argument.ts";
import { copyIn, streamIn } from "../copy/copy-in.ts";
import { type CopyFlags, copyOut, type GuestPath, streamOut } from "../copy/copy-out.ts";
import { EXIT } from "../exit-codes.ts";
import { uidOf } from "../microvm-view.ts";
import { printable } from "../printable.ts";
import { parseBytes } from "../units.ts";
import type { Verb } from "../verb.ts";

/** Of what is left out: a guest could go on for ever. */
const MAX_NAMED = 20;

interface CpFlags {
  readonly archive?: boolean;
  readonly followLink?: boolean;
  readonly limit?: string;
}

export const cp: Verb = {
  configure: (command) => {
    command
      .usage("[flags] VM:PATH HERE|-\n       flintlock cp [flags] HERE|- VM:PATH")
      .argument("<source>", "what is copied; - for a tar stream on stdin")
      .argument("<destination>", "where to; - for a tar stream on stdout")
      .option("-a, --archive", "keep owners, and setuid and setgid on the way out")
      .option("-L, --follow-link", "where the source is a symlink, copy what it leads to")
      .option("--limit <size>", "give up on more than this, such as 500M");
  },

  run: async (context, command) => {
    const [from = "", to = ""] = command.args;
    const { archive, followLink, limit } = command.opts<CpFlags>();
    let leftOut = 0;
    const flags: CopyFlags = {
      isArchive: archive === true,
      followsLink: followLink === true,
      maxBytes: limit === undefined ? Number.POSITIVE_INFINITY : parseBytes("--limit", limit),
      onLeftOut: (path, why) => {
        leftOut += 1;
        if (leftOut > MAX_NAMED) return;
        context.io.stderr.write(`flintlock: left out ${printable(path)}: ${why}\n`);
      },
    };
    await copy(context, parseCopyArgument(from), parseCopyArgument(to), flags);
    if (leftOut > MAX_NAMED) context.io.stderr.write(`flintlock: left out ${leftOut - MAX_NAMED} more\n`);
    return leftOut === 0 ? EXIT.success : EXIT.partial;
  },
};

const copy = async (
  context: Context,
  from: CopyArgument,
  to: CopyArgument,
  flags: CopyFlags,
): Promise<void> => {
  if (from.kind === "guest" && to.kind === "guest") {
    throw usageError(
      "between two microVMs it takes two commands",
      "flintlock cp A:/x - | flintlock cp - B:/dir",
    );
  }
  const guest = from.kind === "guest" ? from : to.kind === "guest" ? to : undefined;
  if (guest === undefined) throw usageError("neither side is in a microVM", "flintlock cp FILE VM:/path");
  const client = await context.connect();
  const { namespace } = context.globals;
  const vm = await client.microvms.get({ target: guest.target, namespace }, { signal: context.signal });
  const there: GuestPath = { uid: uidOf(vm), path: guest.path };
  if (from.kind === "host") await copyIn(context, client, from.path, there, flags);
  else if (from.kind === "stream") await streamIn(context, client, there, flags);
  else if (to.kind === "host") await copyOut(context, client, there, to.path, flags);
  else await streamOut(context, client, there, flags);
};
