/** docs/configuration.md: every option of the daemon, from the table that flags, environment and file are read by. */
import { variablesOf } from "../../packages/daemon/src/config/environment.ts";
import { defaultOf } from "../../packages/daemon/src/config/help.ts";
import { type Option, SECTIONS, type Section } from "../../packages/daemon/src/config/option.ts";
import { OPTION_NAMES, type OptionName, optionOf } from "../../packages/daemon/src/config/options.ts";
import { code, table } from "./markdown.ts";

export const configurationPage = (): string => `# Configuration

Made by \`npm run docs\` from \`packages/daemon/src/config/options.ts\`.

Every option of \`flintlockd\` is a flag, an environment variable and a key of the configuration file, all by the same name. A flag
wins over the environment, the environment over the file, the file over the default. \`flintlockd config check\` with the same
flags tells what is in effect, who said so, and what to know about it; secrets are shown as \`(set)\`.

- **Flags**: \`--name value\` or \`--name=value\`; a switch is \`--name\`, \`--name=true\` or \`--name=false\`.
- **Environment**: \`FLINTLOCKD_\` and the name in capitals, with its dashes (upstream's spelling) or with underscores:
  \`FLINTLOCKD_GRPC-ENDPOINT\`, \`FLINTLOCKD_GRPC_ENDPOINT\`. Lists are separated by commas. An empty variable is not set.
- **File**: YAML, \`name: value\`, at most 64 KiB, no aliases. It is the first of \`/etc/opt/flintlockd/config.yaml\` and
  \`$XDG_CONFIG_HOME/flintlockd/config.yaml\` (or \`~/.config/flintlockd/config.yaml\`), or what \`--config\` names. A key that is
  not known, a value of the wrong type and a file that cannot be read end the start: \`--config /dev/null\` reads none.
- **Times** are Go's durations, \`10m\` or \`1h30m\`, or a number of seconds.

TCP endpoints need TLS (\`tls-cert\` and \`tls-key\`) or an explicit \`insecure\`. gRPC on \`localhost:9090\` is on as soon as one of the
two is given, HTTP when \`enable-http\` or \`http-endpoint\` is. The Unix socket is always there, for its owner only.

${(Object.keys(SECTIONS) as Section[]).map(sectionText).join("\n")}
Signals: SIGTERM and SIGINT stop in order, a second one at once; SIGHUP opens the log file anew. Exit codes: 0 after a stop, 2 for
a wrong option, 1 when a part failed. MicroVMs keep running in every case.
`;

const sectionText = (section: Section): string => {
  const rows = OPTION_NAMES.filter((name) => optionOf(name).section === section).map(row);
  return `## ${SECTIONS[section]}\n\n${table(["Option", "What it is for", "Default"], rows)}\n`;
};

const row = (name: OptionName): readonly string[] => {
  const option = optionOf(name);
  return [nameCell(name, option), purpose(option), defaultCell(option)];
};

const nameCell = (name: OptionName, { short, alias }: Option): string => {
  const also = [
    ...(short === undefined ? [] : [code(`-${short}`)]),
    ...(alias === undefined ? [] : [code(alias)]),
    ...variablesOf(name)
      .filter((variable) => !variable.startsWith("FLINTLOCKD_"))
      .map(code),
  ];
  return [code(name), ...also].join(", ");
};

const purpose = (option: Option): string =>
  [
    option.help,
    ...(option.isHidden === true ? ["not in the help"] : []),
    ...(option.noEffect === undefined ? [] : [`**no effect**: ${option.noEffect}`]),
  ].join("; ");

const defaultCell = (option: Option): string => {
  const text = defaultOf(option);
  return option.defaultText === undefined && text !== "" ? code(text) : text;
};
