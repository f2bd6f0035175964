import { usageError } from "../cli-error.ts";
import { EXIT } from "../exit-codes.ts";
import { runGuestCommand } from "../guest-command.ts";
import { collect, type Verb } from "../verb.ts";

interface ShellFlags {
  readonly env?: readonly string[];
  readonly user?: string;
}

/**
 * Becomes the login shell that the image's /etc/passwd names for the user, or /bin/sh where it names none that is
 * there. Only what a shell has built in: an image need not have `id` or `getent`.
 */
const LOGIN = `
while read -r key uid rest; do [ "$key" = Uid: ] && break; done </proc/self/status
SHELL=
[ -r /etc/passwd ] && while IFS=: read -r name secret id gid about home login || [ -n "$name" ]; do
  if [ "$id" = "$uid" ]; then SHELL=$login; break; fi
done </etc/passwd
[ -x "$SHELL" ] || SHELL=/bin/sh
export SHELL
cd "$HOME" 2>/dev/null || cd /
exec "$SHELL" -l`;

export const shell: Verb = {
  failureCode: EXIT.notRun,

  configure: (command) => {
    command
      .argument("<target>", "name, uid or unique prefix of a uid")
      .option("-u, --user <user[:group]>", "user in the guest; root when absent")
      .option("-e, --env <K=V>", "environment; K alone takes its value from here", collect);
  },

  run: async (context, command) => {
    const [target = ""] = command.args;
    if (target === "") throw usageError("no microVM was named", "flintlock shell NAME");
    const { env, user } = command.opts<ShellFlags>();
    return runGuestCommand(context, { target, words: ["/bin/sh", "-c", LOGIN], env, user, hasInput: true });
  },
};
