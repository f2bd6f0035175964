/** The rules of who may call, as they are now: from the configuration, and from a file that may change. */
import { type Log, toFlintlockError } from "@flintlock/core";
import { watchFiles } from "../watch-files.ts";
import { type AccessRules, BASIC_AUTH_CALLER, DEFAULT_FAILURES, type TokenEntry } from "./access-rules.ts";
import { type CredentialsFile, readCredentialsFile } from "./credentials-file.ts";
import { tokenDigest } from "./find-token.ts";

export interface AccessSource {
  readonly rules: () => AccessRules;
  /** Reads the file again now; a broken one is logged, and what was read before stays. Never rejects. */
  reload(): Promise<void>;
  close(): void;
}

export interface AccessSourceOptions {
  readonly authFile: string | undefined;
  /** One token for an admin, as upstream has it */
  readonly basicAuthToken: string | undefined;
  readonly reloadPeriodMs: number;
  readonly log: Log;
}

/** @throws FlintlockError `invalid_spec` – the credentials file cannot be used */
export const openAccessSource = async (options: AccessSourceOptions): Promise<AccessSource> => {
  const { authFile, basicAuthToken, log } = options;
  const basic: readonly TokenEntry[] =
    basicAuthToken === undefined
      ? []
      : [{ digest: tokenDigest(basicAuthToken), caller: BASIC_AUTH_CALLER, notAfter: undefined }];
  if (authFile === undefined) {
    const rules: AccessRules = { ...NO_FILE, tokens: basic, isOpen: basic.length === 0 };
    return { rules: () => rules, reload: async () => undefined, close: () => undefined };
  }

  const rulesOf = ({ rules }: CredentialsFile): AccessRules => ({
    ...rules,
    tokens: [...rules.tokens, ...basic],
    isOpen: false,
  });
  const read = async (): Promise<CredentialsFile> => {
    const file = await readCredentialsFile(authFile);
    const { tokens, certificates } = file.rules;
    log.info("credentials read", { path: authFile, callers: tokens.length + certificates.length });
    return file;
  };
  let file = await read();
  let rules = rulesOf(file);
  const reload = async (): Promise<void> => {
    try {
      file = await read();
      rules = rulesOf(file);
    } catch (error) {
      log.error("new credentials are refused, the old ones stay", {
        reason: toFlintlockError(error).message,
      });
    }
  };
  const watch = watchFiles(
    () => file.paths,
    options.reloadPeriodMs,
    () => void reload(),
  );
  return { rules: () => rules, reload, close: watch.close };
};

const NO_FILE = {
  certificates: [],
  limitsOf: new Map(),
  quotas: new Map(),
  failures: DEFAULT_FAILURES,
} as const satisfies Partial<AccessRules>;
