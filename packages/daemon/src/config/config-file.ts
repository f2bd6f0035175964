/** The configuration file: YAML, its keys are the flags' names. */
import { isAbsolute, join } from "node:path";
import { parseDocument } from "yaml";
import type { Environment } from "./environment.ts";
import type { OptionValue } from "./option.ts";
import { settingError, valueFromYaml } from "./option-value.ts";
import { findOption, OPTION_NAMES, type OptionName, optionOf } from "./options.ts";
import type { ReadTextFile } from "./text-file.ts";

export interface FileSettings {
  readonly path: string;
  readonly settings: ReadonlyMap<OptionName, OptionValue>;
  /** Everybody on the host may read it */
  readonly isWorldReadable: boolean;
}

const MAX_BYTES = 64 * 1024;

/** COMPAT: upstream's places, in its order. */
export const configFilePaths = (env: Environment, home: string): readonly string[] => {
  const xdg = env["XDG_CONFIG_HOME"];
  const base = xdg !== undefined && isAbsolute(xdg) ? xdg : join(home, ".config");
  return ["/etc/opt/flintlockd/config.yaml", join(base, "flintlockd/config.yaml")];
};

/**
 * `path`, which must exist, or else the first of `places` that does.
 * @throws FlintlockError `invalid_spec` – names the file and the key, and says what would be right
 */
export const readConfigFile = (
  path: string | undefined,
  places: readonly string[],
  read: ReadTextFile,
): FileSettings | undefined => {
  for (const candidate of path === undefined ? places : [path]) {
    const file = read(candidate, MAX_BYTES);
    switch (file.kind) {
      case "absent":
        if (path !== undefined) throw settingError("--config", `file ${path} does not exist`);
        break;
      case "unreadable":
        throw settingError(candidate, `cannot be read: ${file.why}`, "--config PATH names another file");
      case "text":
        return {
          path: candidate,
          settings: parseConfigFile(candidate, file.text),
          isWorldReadable: (file.mode & 0o004) !== 0,
        };
    }
  }
  return undefined;
};

export const parseConfigFile = (path: string, text: string): ReadonlyMap<OptionName, OptionValue> => {
  const settings = new Map<OptionName, OptionValue>();
  for (const [key, value] of entriesOf(path, text)) {
    const where = `${path}: ${String(key)}`;
    const name = typeof key === "string" ? findOption(key) : undefined;
    if (name === undefined) throw settingError(where, "is not an option", suggestion(String(key)));
    if (name === "config") throw settingError(where, "only a flag or the environment can name the file");
    if (settings.has(name)) throw settingError(where, `is another name of ${name}: keep one`);
    // An empty value, `key:`, leaves the default.
    if (value === null) continue;
    settings.set(name, valueFromYaml(name, value, where));
  }
  return settings;
};

const entriesOf = (path: string, text: string): readonly (readonly [unknown, unknown])[] => {
  const document = parseDocument(text, { logLevel: "silent" });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) throw settingError(path, `is not YAML: ${problem.message.trim()}`);
  // No aliases: a configuration needs none, and they can make a small file huge.
  const content = toMap(path, () => document.toJS({ mapAsMap: true, maxAliasCount: 0 }));
  if (content === null) return [];
  if (!(content instanceof Map)) throw settingError(path, "must be a list of 'option: value' lines");
  return [...content];
};

const toMap = (path: string, build: () => unknown): unknown => {
  try {
    return build();
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : String(cause);
    throw settingError(path, /alias/i.test(words) ? "must not use YAML aliases" : `is not YAML: ${words}`);
  }
};

/** The option that differs in dashes and underscores only, or begins alike. */
const suggestion = (key: string): string => {
  const bare = (text: string): string => text.toLowerCase().replaceAll(/[-_ ]/g, "");
  const near =
    OPTION_NAMES.find((name) => bare(name) === bare(key)) ??
    OPTION_NAMES.find((name) => optionOf(name).isHidden !== true && bare(name).startsWith(bare(key)));
  return near === undefined ? "flintlockd run --help lists the options" : near;
};
