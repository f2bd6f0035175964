/** Where a daemon listens when nobody says otherwise. The daemon's own default follows the same rule. */
import { statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

export type Environment = Readonly<Record<string, string | undefined>>;

const SOCKET = "flintlock/flintlockd.sock";

/**
 * The per-user socket: `/run/flintlock/flintlockd.sock` for root, else below `XDG_RUNTIME_DIR` when that is
 * a directory of this user (`su` and `sudo` pass on one that is not), else below `~/.local/state`.
 * Pure: `ownsDirectory` answers for the file system.
 */
export const defaultSocketPath = (
  env: Environment,
  uid: number,
  ownsRuntimeDirectory: (path: string) => boolean,
  home: string,
): string => {
  if (uid === 0) return join("/run", SOCKET);
  const runtime = env["XDG_RUNTIME_DIR"];
  if (runtime?.startsWith("/") && ownsRuntimeDirectory(runtime)) return join(runtime, SOCKET);
  return join(env["HOME"] || home, ".local/state", SOCKET);
};

/** True when `path` is a directory that `uid` owns. */
export const ownsDirectory =
  (uid: number) =>
  (path: string): boolean => {
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat?.isDirectory() === true && stat.uid === uid;
  };

/** `defaultSocketPath` for this process. */
export const resolveSocketPath = (env: Environment = process.env): string => {
  const uid = process.getuid?.() ?? 0;
  return defaultSocketPath(env, uid, ownsDirectory(uid), homedir());
};

/** `FLINTLOCK_HOST`, else the per-user socket as `unix://` address. */
export const defaultAddress = (env: Environment = process.env): string =>
  env["FLINTLOCK_HOST"] || `unix://${resolveSocketPath(env)}`;
