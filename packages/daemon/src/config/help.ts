/** `flintlockd run --help`, from the table. */
import { formatGoDuration } from "./go-duration.ts";
import { type Option, SECTIONS, type Section } from "./option.ts";
import { OPTION_NAMES, type OptionName, optionOf } from "./options.ts";

const COLUMN = 36;

export const helpText = (): string => `flintlockd looks after microVMs on this host.

Usage: flintlockd run [flags]           serve until a signal
       flintlockd config check [flags]  say what would be in effect, and why
       flintlockd version [--short|--long]

${(Object.keys(SECTIONS) as Section[]).map(sectionText).join("\n")}
Every option can also be set in the environment (FLINTLOCKD_GRPC_ENDPOINT) and in a YAML file
(grpc-endpoint: localhost:9090), the first of /etc/opt/flintlockd/config.yaml and ~/.config/flintlockd/config.yaml.
A flag wins over the environment, the environment over the file. A TIME is 10m, 1h30m or seconds.
`;

const sectionText = (section: Section): string => {
  const lines = OPTION_NAMES.filter((name) => optionOf(name).section === section)
    .filter((name) => optionOf(name).isHidden !== true)
    .map(line);
  return `${SECTIONS[section]}:\n${lines.join("")}`;
};

const line = (name: OptionName): string => {
  const option = optionOf(name);
  const flag = flagText(name, option);
  const gap = flag.length < COLUMN ? " ".repeat(COLUMN - flag.length) : `\n${" ".repeat(COLUMN)}`;
  return `${flag}${gap}${option.help}${defaultNote(option)}\n`;
};

const flagText = (name: OptionName, { short, placeholder }: Option): string => {
  const flag = short === undefined ? `  --${name}` : `  -${short}, --${name}`;
  return placeholder === undefined ? flag : `${flag} ${placeholder}`;
};

const defaultNote = (option: Option): string => {
  const text = defaultOf(option);
  const note = option.noEffect === undefined ? "" : " [no effect yet]";
  return text === "" || text === "false" ? note : ` (${text})${note}`;
};

/** Empty when there is none. */
export const defaultOf = (option: Option): string => {
  if (option.defaultText !== undefined) return option.defaultText;
  if (option.kind === "list" || option.default === undefined) return "";
  return option.kind === "duration" ? formatGoDuration(option.default) : String(option.default);
};
