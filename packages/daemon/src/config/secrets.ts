/** The token that upstream takes on the command line, and where it should be kept instead. */
import type { Notice } from "./config.ts";
import type { FileSettings } from "./config-file.ts";
import { settingError } from "./option-value.ts";
import { OPTION_NAMES, optionOf } from "./options.ts";
import { absolutePath } from "./paths.ts";
import type { Settings } from "./settings.ts";
import type { ReadTextFile } from "./text-file.ts";

const MAX_TOKEN_BYTES = 4096;

/** @throws FlintlockError `invalid_spec` – both are given, or the file holds no token */
export const basicAuthToken = (settings: Settings, read: ReadTextFile): string | undefined => {
  const token = settings.get("basic-auth-token") || undefined;
  const path = settings.get("basic-auth-token-file") || undefined;
  if (path === undefined) return token;
  const where = "--basic-auth-token-file";
  if (token !== undefined) throw settingError(where, "--basic-auth-token is given as well: keep one");
  const file = read(absolutePath(path, "basic-auth-token-file"), MAX_TOKEN_BYTES);
  if (file.kind === "absent") throw settingError(where, `file ${path} does not exist`);
  if (file.kind === "unreadable") throw settingError(where, `${path} cannot be read: ${file.why}`);
  const text = file.text.replace(/\r?\n$/, "");
  if (text === "" || /[\r\n\0]/.test(text))
    throw settingError(where, `${path} must hold one line, the token`);
  return text;
};

export const secretNotices = (settings: Settings, file: FileSettings | undefined): readonly Notice[] => {
  const secrets = OPTION_NAMES.filter((name) => optionOf(name).isSecret === true);
  return secrets.flatMap((option): readonly Notice[] => {
    if (settings.source(option) === "flag") {
      const text = `everybody on this host can read a command line: use --${option}-file`;
      return [{ level: "warn", option, text }];
    }
    if (file?.isWorldReadable === true && file.settings.has(option)) {
      const text = `everybody on this host can read ${file.path}: chmod 600, or use ${option}-file`;
      return [{ level: "warn", option, text }];
    }
    return [];
  });
};
