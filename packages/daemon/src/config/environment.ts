/** Options from the environment: `FLINTLOCKD_GRPC-ENDPOINT`, as upstream, or `FLINTLOCKD_GRPC_ENDPOINT`. */
import type { OptionValue } from "./option.ts";
import { settingError, valueFromText } from "./option-value.ts";
import { OPTION_NAMES, type OptionName, optionOf } from "./options.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

const PREFIX = "FLINTLOCKD_";

export interface EnvironmentSettings {
  readonly settings: ReadonlyMap<OptionName, OptionValue>;
  /** Variables with our prefix that set nothing */
  readonly unknown: readonly string[];
}

/**
 * COMPAT: an empty variable counts as not set.
 * @throws FlintlockError `invalid_spec` – names the variable
 */
export const readEnvironment = (env: Environment): EnvironmentSettings => {
  const settings = new Map<OptionName, OptionValue>();
  const known = new Set<string>();
  for (const name of OPTION_NAMES) {
    const variables = variablesOf(name);
    for (const variable of variables) known.add(variable);
    const set = variables.filter((variable) => (env[variable] ?? "") !== "");
    const [first, ...others] = set;
    if (first === undefined) continue;
    const text = env[first] ?? "";
    const differing = others.find((other) => env[other] !== text);
    if (differing !== undefined) throw settingError(first, `says something else than ${differing}: keep one`);
    settings.set(name, valueFromText(name, text, first));
  }
  const unknown = Object.keys(env).filter((key) => key.startsWith(PREFIX) && !known.has(key));
  return { settings, unknown };
};

/** Upstream's spelling, the one that a shell can export, and others. */
export const variablesOf = (name: OptionName): readonly string[] => {
  const { alias, env = [] } = optionOf(name);
  const names = alias === undefined ? [name] : [name, alias];
  return [
    ...new Set(
      names.flatMap((each) => {
        const upper = each.toUpperCase();
        return [PREFIX + upper, PREFIX + upper.replaceAll("-", "_")];
      }),
    ),
    ...env,
  ];
};
