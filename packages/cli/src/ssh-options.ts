/** How OpenSSH reaches a microVM: through this program, with no network, and with a host key kept for its uid. */

export interface SshTarget {
  readonly name: string;
  readonly uid: string;
  readonly user: string;
  /** This program, and the flags that lead it to the daemon; words, not yet quoted */
  readonly program: readonly string[];
  /** Of the keys that were seen; absolute */
  readonly knownHosts: string;
}

/** For `ssh` and in an ssh_config: names no other host is likely to have. */
export const sshAlias = ({ name }: Pick<SshTarget, "name">): string => `flintlock-${name}`;

/** As in ssh_config(5), in the form both its lines and `-o` take. */
export const sshOptions = ({
  uid,
  user,
  program,
  knownHosts,
}: SshTarget): readonly (readonly [string, string])[] => [
  ["User", user],
  [
    "ProxyCommand",
    escapeTokens([...program, "port-forward", "--stdio", uid, "22"].map(shellQuoted).join(" ")),
  ],
  // One that is made anew under the same name has another uid, and its new key is no alarm.
  ["HostKeyAlias", `flintlock-${uid.toLowerCase()}`],
  ["UserKnownHostsFile", `"${escapeTokens(knownHosts)}"`],
  ["StrictHostKeyChecking", "accept-new"],
  ["HashKnownHosts", "no"],
  ["CheckHostIP", "no"],
];

export const sshConfig = (target: SshTarget): string => {
  const lines = sshOptions(target).map(([key, value]) => `  ${key} ${value}\n`);
  return `Host ${sshAlias(target)}\n${lines.join("")}`;
};

/** ssh hands a ProxyCommand to the user's shell, and expands `%` first. */
const shellQuoted = (word: string): string =>
  /^[\w@+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;

const escapeTokens = (text: string): string => text.replaceAll("%", "%%");
