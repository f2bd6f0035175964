/** Which URL a registry's name stands for, and where plain http is allowed. */
import { FlintlockError } from "@flintlock/core";

/** The hub is named `docker.io` in references, speaks its API here, and is filed in docker's config under this key. */
const HUB = "docker.io";
const HUB_API_HOST = "registry-1.docker.io";
const HUB_CREDENTIALS_KEY = "https://index.docker.io/v1/";
const HUB_ALIASES: readonly string[] = [HUB, HUB_API_HOST, "index.docker.io"];

/**
 * Decides between http and https. https is the rule; http is only for listed `host[:port]`, where a host
 * without a port covers all its ports. Nothing is exempt, loopback neither.
 */
export class TransportPolicy {
  readonly #insecure: ReadonlySet<string>;

  constructor(insecureRegistries: readonly string[]) {
    this.#insecure = new Set(insecureRegistries.map((entry) => entry.trim().toLowerCase()));
  }

  /** Base URL of a registry's API. */
  registryUrl(registry: string): URL {
    const host = registry === HUB ? HUB_API_HOST : registry;
    const https = new URL(`https://${host}/`);
    return this.#isInsecure(https) ? new URL(`http://${host}/`) : https;
  }

  /** @throws FlintlockError `permission_denied` – plain http, or no http at all */
  check(url: URL): void {
    if (url.protocol === "https:") return;
    if (url.protocol === "http:" && this.#isInsecure(url)) return;
    throw new FlintlockError(
      "permission_denied",
      `the registry leads to ${url.protocol}//${url.host}, which is not https`,
      { hint: "List the host as an insecure registry if plain http is meant." },
    );
  }

  #isInsecure(url: URL): boolean {
    // URL drops the default port from `host`; an entry may well have it.
    const port = url.port === "" ? (url.protocol === "http:" ? "80" : "443") : url.port;
    return [url.host, url.hostname, `${url.hostname}:${port}`].some((name) => this.#insecure.has(name));
  }
}

/** The key under which `docker login` files credentials for a registry. */
export const credentialsKey = (registry: string): string =>
  registry === HUB ? HUB_CREDENTIALS_KEY : registry;

/** Whether an `auths` key (`host`, `https://host`, `https://host/v1/`) means `registry`. */
export const isKeyOf = (key: string, registry: string): boolean => {
  const host = key
    .toLowerCase()
    .replace(/^https?:\/\//, "")
    .replace(/\/.*$/s, "");
  return registry === HUB ? HUB_ALIASES.includes(host) : host === registry;
};
