/** What every option is set to, and by whom: flag before environment before file before default. */

import type { FileSettings } from "./config-file.ts";
import type { EnvironmentSettings } from "./environment.ts";
import type { OptionValue, ValueOf } from "./option.ts";
import { OPTION_NAMES, type OPTIONS, type OptionName, optionOf } from "./options.ts";

export const SOURCES = ["default", "file", "env", "flag"] as const;
export type Source = (typeof SOURCES)[number];

export interface Setting {
  readonly value: OptionValue | undefined;
  readonly source: Source;
}

export interface Settings {
  get<N extends OptionName>(name: N): ValueOf<(typeof OPTIONS)[N]>;
  source(name: OptionName): Source;
  /** Somebody wanted it so */
  isSet(name: OptionName): boolean;
}

export interface SettingsBySource {
  readonly flag: ReadonlyMap<OptionName, OptionValue>;
  readonly env: EnvironmentSettings["settings"];
  readonly file: FileSettings["settings"];
}

export const mergeSettings = (by: SettingsBySource): Settings => {
  const settings = new Map(OPTION_NAMES.map((name) => [name, settingOf(name, by)]));
  const setting = (name: OptionName): Setting =>
    settings.get(name) ?? { value: undefined, source: "default" };
  return {
    // SAFETY: `option-value.ts` made the value by the kind in the same row of the table.
    get: (name) => setting(name).value as never,
    source: (name) => setting(name).source,
    isSet: (name) => setting(name).source !== "default",
  };
};

const settingOf = (name: OptionName, by: SettingsBySource): Setting => {
  for (const source of ["flag", "env", "file"] as const) {
    const value = by[source].get(name);
    if (value !== undefined) return { value, source };
  }
  const option = optionOf(name);
  return { value: option.kind === "list" ? [] : option.default, source: "default" };
};
