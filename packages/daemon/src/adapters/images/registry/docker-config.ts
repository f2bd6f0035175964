/** Credentials from docker's `config.json`: `credHelpers`, `credsStore`, `auths`, in docker's order. */
import type { Log } from "@flintlock/core";
import { readBounded } from "../store/durable-file.ts";
import { badData, isObject, objectOf, parseJson, stringMapOf, stringOf } from "../untrusted-json.ts";
import { askCredentialHelper } from "./credential-helper.ts";
import type { Credentials, FindCredentials } from "./credentials.ts";
import { credentialsKey, isKeyOf } from "./endpoint.ts";

const MAX_CONFIG_FILE_BYTES = 1024 * 1024;
const MAX_SECRET = 64 * 1024;
const MAX_HELPERS = 1024;
const MAX_AUTHS = 4096;

export interface DockerConfig {
  readonly auths: readonly { readonly key: string; readonly credentials: Credentials }[];
  /** Helper name by registry */
  readonly helpers: Readonly<Record<string, string>>;
  /** Helper for every other registry; empty for none */
  readonly store: string;
}

/** @throws FlintlockError `data_loss` – not what docker writes */
export const parseDockerConfig = (bytes: Uint8Array): DockerConfig => {
  const what = "docker's config.json";
  const document = objectOf(parseJson(bytes, what), what);
  const auths = Object.entries(objectOf(document["auths"] ?? {}, `${what}: auths`));
  if (auths.length > MAX_AUTHS) throw badData(`${what} has more than ${MAX_AUTHS} auths`);
  return {
    auths: auths.flatMap(([key, value]) => {
      const credentials = isObject(value) ? parseAuth(value, what) : undefined;
      return credentials === undefined ? [] : [{ key, credentials }];
    }),
    helpers: stringMapOf(
      document["credHelpers"],
      { maxItems: MAX_HELPERS, maxLength: 256 },
      `${what}: credHelpers`,
    ),
    store: stringOf(document["credsStore"], 256, `${what}: credsStore`),
  };
};

/**
 * Looks credentials up anew each time, so that a `docker login` counts at once. A file or helper that does
 * not work is logged, and the registry is tried without credentials.
 */
export const dockerCredentials =
  (path: string, log: Log): FindCredentials =>
  async (registry, signal) => {
    const config = await readConfig(path, log);
    if (config === undefined) return undefined;
    const key = credentialsKey(registry);
    const helper =
      Object.entries(config.helpers).find(([name]) => isKeyOf(name, registry))?.[1] ?? config.store;
    if (helper !== "") {
      try {
        const found = await askCredentialHelper(helper, key, signal);
        if (found !== undefined) return found;
      } catch (error) {
        signal.throwIfAborted();
        log.warn("docker credential helper failed", { helper, registry, error: String(error) });
      }
    }
    const exact = config.auths.find((auth) => auth.key === key);
    return (exact ?? config.auths.find((auth) => isKeyOf(auth.key, registry)))?.credentials;
  };

const readConfig = async (path: string, log: Log): Promise<DockerConfig | undefined> => {
  try {
    const bytes = await readBounded(path, MAX_CONFIG_FILE_BYTES);
    return bytes === undefined ? undefined : parseDockerConfig(bytes);
  } catch (error) {
    // Public images need no credentials, so a broken file must not stop them.
    log.warn("docker config cannot be used", { path, error: String(error) });
    return undefined;
  }
};

const parseAuth = (auth: Readonly<Record<string, unknown>>, what: string): Credentials | undefined => {
  const token = stringOf(auth["identitytoken"], MAX_SECRET, `${what}: identitytoken`);
  if (token !== "") return { kind: "identity-token", token };
  const encoded = stringOf(auth["auth"], MAX_SECRET, `${what}: auth`);
  if (encoded !== "") {
    // COMPAT: docker pads the password with NUL bytes in old files.
    const text = Buffer.from(encoded, "base64").toString("utf8").replace(/\0+$/, "");
    const colon = text.indexOf(":");
    if (colon < 1) throw badData(`${what} has an auth that is not base64 of name:password`);
    return { kind: "basic", username: text.slice(0, colon), password: text.slice(colon + 1) };
  }
  const username = stringOf(auth["username"], MAX_SECRET, `${what}: username`);
  const password = stringOf(auth["password"], MAX_SECRET, `${what}: password`);
  return username === "" ? undefined : { kind: "basic", username, password };
};
