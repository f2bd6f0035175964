/** Where things are when nobody says. */
import { isAbsolute, join, resolve } from "node:path";
import type { ConfigHost } from "./config-host.ts";
import { settingError } from "./option-value.ts";
import type { OptionName } from "./options.ts";

/** @throws FlintlockError `invalid_spec` – it is empty */
export const absolutePath = (path: string, option: OptionName): string => {
  if (path === "") throw settingError(`--${option}`, "must be a path");
  return resolve(path);
};

export const optionalPath = (path: string | undefined): string | undefined =>
  path === undefined || path === "" ? undefined : resolve(path);

export const defaultStateDir = ({ env, uid, home }: ConfigHost): string => {
  if (uid === 0) return "/var/lib/flintlock";
  const data = env["XDG_DATA_HOME"];
  return join(data !== undefined && isAbsolute(data) ? data : join(home, ".local/share"), "flintlock");
};

/** The same rule as the client's, which finds us by it. */
export const defaultSocketPath = ({ env, uid, home, isOwnDirectory }: ConfigHost): string => {
  const name = "flintlock/flintlockd.sock";
  if (uid === 0) return join("/run", name);
  const runtime = env["XDG_RUNTIME_DIR"];
  if (runtime !== undefined && isAbsolute(runtime) && isOwnDirectory(runtime, uid))
    return join(runtime, name);
  return join(home, ".local/state", name);
};

/** COMPAT: docker's own rule. */
export const dockerConfigPath = ({ env, home }: ConfigHost): string =>
  join(env["DOCKER_CONFIG"] || join(home, ".docker"), "config.json");
