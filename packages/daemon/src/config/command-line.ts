/** The command line: words, flags as Go's pflag takes them, and no more. */
import { type ParseArgsConfig, parseArgs } from "node:util";
import { FlintlockError } from "@flintlock/core";
import type { OptionValue } from "./option.ts";
import { settingError, valueFromText } from "./option-value.ts";
import { findOption, OPTION_NAMES, type OptionName, optionOf } from "./options.ts";

export interface CommandLine {
  /** What is no flag: the command */
  readonly words: readonly string[];
  readonly settings: ReadonlyMap<OptionName, OptionValue>;
  /** `--help`, and those of `version` */
  readonly asks: ReadonlySet<Ask>;
}

const ASKS = ["help", "short", "long"] as const;
type Ask = (typeof ASKS)[number];

const SYNTAX: ParseArgsConfig["options"] = {
  ...Object.fromEntries(
    OPTION_NAMES.flatMap((name) => {
      const { kind, short, alias } = optionOf(name);
      const type = kind === "switch" ? ("boolean" as const) : ("string" as const);
      const entry = short === undefined ? { type } : { type, short };
      return alias === undefined
        ? [[name, entry]]
        : [
            [name, entry],
            [alias, { type }],
          ];
    }),
  ),
  help: { type: "boolean", short: "h" },
  short: { type: "boolean" },
  long: { type: "boolean" },
};

/** @throws FlintlockError `invalid_spec` – names the flag */
export const parseCommandLine = (args: readonly string[]): CommandLine => {
  const { tokens } = parseArgs({
    args: [...args],
    options: SYNTAX,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const words: string[] = [];
  const settings = new Map<OptionName, OptionValue>();
  const asks = new Set<Ask>();
  for (const token of tokens) {
    if (token.kind === "positional") words.push(token.value);
    if (token.kind !== "option") continue;
    const ask = ASKS.find((each) => each === token.name);
    if (ask !== undefined && token.value === undefined) {
      asks.add(ask);
      continue;
    }
    const name = findOption(token.name);
    if (name === undefined || !Object.hasOwn(SYNTAX ?? {}, token.name))
      throw unknownFlag(token.rawName, name);
    const value = valueFromText(name, textOf(token, name), token.rawName);
    const former = settings.get(name);
    settings.set(name, isList(value) && isList(former) ? [...former, ...value] : value);
  }
  return { words, settings, asks };
};

interface OptionToken {
  readonly rawName: string;
  readonly value: string | undefined;
  readonly inlineValue: boolean | undefined;
}

const textOf = ({ rawName, value, inlineValue }: OptionToken, name: OptionName): string => {
  if (optionOf(name).kind === "switch") return value ?? "true";
  // Node hands over what follows, a flag or not; nobody who forgot a value means the next flag.
  if (value === undefined || (inlineValue !== true && value.startsWith("-"))) {
    throw settingError(rawName, "needs a value", `${rawName}=VALUE`);
  }
  // COMPAT: pflag takes `-v=2` for `-v 2`.
  return !rawName.startsWith("--") && value.startsWith("=") ? value.slice(1) : value;
};

const isList = (value: OptionValue | undefined): value is readonly string[] => Array.isArray(value);

const unknownFlag = (flag: string, meant: OptionName | undefined): FlintlockError =>
  new FlintlockError("invalid_spec", `unknown flag ${flag}`, {
    hint: meant === undefined ? "flintlockd run --help lists the flags" : `--${meant}`,
  });
