/**
 * Authorization for one registry: none until it asks, then Basic or a Bearer token from its token service
 * (distribution spec, token authentication; OAuth2 for identity tokens). Tokens are kept until they expire.
 */
import { FlintlockError } from "@flintlock/core";
import { objectOf, parseJson, shown, stringOf } from "../untrusted-json.ts";
import { type Challenge, parseChallenges } from "./challenge.ts";
import { basicAuthorization, type Credentials, type FindCredentials } from "./credentials.ts";
import { type HttpClient, type HttpRequest, readAll } from "./http.ts";
import { busyError, isBusy } from "./retry.ts";

const MAX_TOKEN_ANSWER_BYTES = 1024 * 1024;
const MAX_TOKEN = 64 * 1024;
const MAX_PARAMETER = 2048;
/** What a token service that says nothing means, and the least we believe (docker does the same) */
const MIN_TOKEN_LIFE_S = 60;
const MAX_TOKEN_LIFE_S = 24 * 3600;
/** Renewed this long before it expires, so that it lasts for a request */
const TOKEN_MARGIN_MS = 10_000;
const CLIENT_ID = "flintlock";

interface KeptAuthorization {
  readonly header: string;
  /** On the monotonic clock */
  readonly expiresAtMs: number;
}

export interface AuthScope {
  readonly registry: string;
  readonly repository: string;
}

export class RegistryAuth {
  readonly #http: HttpClient;
  readonly #findCredentials: FindCredentials;
  readonly #kept = new Map<string, KeptAuthorization>();

  constructor(http: HttpClient, findCredentials: FindCredentials) {
    this.#http = http;
    this.#findCredentials = findCredentials;
  }

  /** What to send at first, from an earlier challenge. */
  current(scope: AuthScope): string | undefined {
    const kept = this.#kept.get(keyOf(scope));
    return kept !== undefined && performance.now() < kept.expiresAtMs ? kept.header : undefined;
  }

  /**
   * Answers a 401 and returns what to send next. `refused` is the header that was just turned down.
   * @throws FlintlockError `unauthenticated` – nothing we have will do
   */
  async answer(
    scope: AuthScope,
    challengeHeader: string | undefined,
    refused: string | undefined,
    signal: AbortSignal,
  ): Promise<string> {
    const others = this.current(scope);
    // A request beside this one may have renewed it already.
    if (others !== undefined && others !== refused) return others;
    this.#kept.delete(keyOf(scope));

    const challenges = parseChallenges(challengeHeader ?? "");
    const bearer = challenges.find(({ scheme }) => scheme === "bearer");
    const basic = challenges.find(({ scheme }) => scheme === "basic");
    if (bearer === undefined && basic === undefined) {
      throw refusal(scope.registry, "asks for a way to log in that is not supported");
    }
    const credentials = await this.#findCredentials(scope.registry, signal);
    const kept =
      bearer !== undefined
        ? await this.#fetchToken(scope, bearer, credentials, signal)
        : basicOf(scope.registry, credentials);
    this.#kept.set(keyOf(scope), kept);
    return kept.header;
  }

  async #fetchToken(
    { registry, repository }: AuthScope,
    { parameters }: Challenge,
    credentials: Credentials | undefined,
    signal: AbortSignal,
  ): Promise<KeptAuthorization> {
    const realm = parameters.get("realm") ?? "";
    if (!URL.canParse(realm)) throw refusal(registry, "names no token service");
    const query = {
      service: (parameters.get("service") ?? "").slice(0, MAX_PARAMETER),
      scope: (parameters.get("scope") ?? `repository:${repository}:pull`).slice(0, MAX_PARAMETER),
    };
    const askedAtMs = performance.now();
    const response = await this.#http.send(tokenRequest(new URL(realm), query, credentials), signal);
    if (response.status !== 200) {
      response.discard();
      if (isBusy(response.status)) throw busyError(response);
      throw refusal(registry, `gave no token (${response.status} from ${response.url.host})`);
    }
    const bytes = await readAll(response, MAX_TOKEN_ANSWER_BYTES, "the token service's answer");
    const { token, lifeSeconds } = parseTokenAnswer(bytes);
    return {
      header: `Bearer ${token}`,
      expiresAtMs: askedAtMs + lifeSeconds * 1000 - TOKEN_MARGIN_MS,
    };
  }
}

/** `token` or `access_token`, and how long it holds, 60 s to a day. @throws FlintlockError `data_loss` */
export const parseTokenAnswer = (
  bytes: Uint8Array,
): { readonly token: string; readonly lifeSeconds: number } => {
  const what = "the token service's answer";
  const answer = objectOf(parseJson(bytes, what), what);
  const named = stringOf(answer["token"], MAX_TOKEN, `${what}: token`);
  const token = named === "" ? stringOf(answer["access_token"], MAX_TOKEN, `${what}: access_token`) : named;
  // It goes into a header, so it must be one word.
  if (!/^[\x21-\x7e]+$/.test(token)) throw new FlintlockError("data_loss", `${what} has no usable token`);
  const said = answer["expires_in"];
  const seconds = typeof said === "number" && Number.isFinite(said) ? said : MIN_TOKEN_LIFE_S;
  return { token, lifeSeconds: Math.min(Math.max(seconds, MIN_TOKEN_LIFE_S), MAX_TOKEN_LIFE_S) };
};

const tokenRequest = (
  realm: URL,
  query: { readonly service: string; readonly scope: string },
  credentials: Credentials | undefined,
): HttpRequest => {
  if (credentials?.kind === "identity-token") {
    const form = {
      grant_type: "refresh_token",
      client_id: CLIENT_ID,
      refresh_token: credentials.token,
      ...query,
    };
    return {
      method: "POST",
      url: realm,
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams(form).toString(),
    };
  }
  const url = new URL(realm);
  if (query.service !== "") url.searchParams.set("service", query.service);
  url.searchParams.set("scope", query.scope);
  if (credentials === undefined) return { url };
  url.searchParams.set("account", credentials.username);
  return { url, headers: { authorization: basicAuthorization(credentials.username, credentials.password) } };
};

const basicOf = (registry: string, credentials: Credentials | undefined): KeptAuthorization => {
  if (credentials?.kind !== "basic") throw refusal(registry, "needs a user name and a password");
  return {
    header: basicAuthorization(credentials.username, credentials.password),
    expiresAtMs: performance.now() + MAX_TOKEN_LIFE_S * 1000,
  };
};

export const refusal = (registry: string, problem: string): FlintlockError =>
  new FlintlockError("unauthenticated", `registry ${shown(registry)} ${problem}`, {
    hint: `Check that the image exists, and log in: docker login ${registry}`,
  });

const keyOf = ({ registry, repository }: AuthScope): string => `${registry}/${repository}`;
