/** `--ttl`, `--idle` and `--expire`: when a microVM's time is over, and what follows. */
import { ext } from "@flintlock/client";
import { usageError } from "./cli-error.ts";
import { parseChoice } from "./parse-flags.ts";
import { parseDurationMs } from "./units.ts";

/** 366 days */
const MAX_MS = 31_622_400_000;

const ACTIONS = { delete: ext.Expiry_Action.DELETE, stop: ext.Expiry_Action.STOP } as const;

/** Rounded up. @throws CliError `usage` */
export const parseExpirySeconds = (flag: "--ttl" | "--idle", text: string): number =>
  Math.ceil(parseDurationMs(flag, text, MAX_MS) / 1000);

/** @throws CliError `usage` */
export const parseExpiryAction = (text: string): ext.Expiry_Action =>
  ACTIONS[parseChoice("--expire", text, ["delete", "stop"] as const)];

export interface ExpiryFlags {
  readonly ttl?: string;
  readonly idle?: string;
  readonly expire?: string;
}

/** What a create request says of it. @throws CliError `usage` */
export const expiryOf = ({ ttl, idle, expire }: ExpiryFlags) => {
  if (ttl === undefined && idle === undefined) {
    if (expire !== undefined) throw usageError("--expire goes with --ttl or --idle");
    return {};
  }
  return {
    expiry: {
      ttlSeconds: ttl === undefined ? 0 : parseExpirySeconds("--ttl", ttl),
      idleSeconds: idle === undefined ? 0 : parseExpirySeconds("--idle", idle),
      ...(expire !== undefined && { action: parseExpiryAction(expire) }),
    },
  };
};
