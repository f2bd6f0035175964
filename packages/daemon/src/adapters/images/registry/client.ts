/** The pull half of the OCI distribution spec 1.1: manifests and blobs of one registry's repository. */
import { type Digest, FlintlockError, isDigest, type Log, type ReferenceParts } from "@flintlock/core";
import { ACCEPTED_MANIFESTS } from "../media-types.ts";
import { digestOf } from "../store/layout.ts";
import { MAX_MANIFEST_BYTES } from "../store/manifest.ts";
import { isObject, shown } from "../untrusted-json.ts";
import { type RegistryAuth, refusal } from "./auth.ts";
import type { TransportPolicy } from "./endpoint.ts";
import { type HttpClient, type HttpResponse, readAll } from "./http.ts";
import { busyError, isBusy, type RetryLimits, type RetryScope, withRetries } from "./retry.ts";
import { TransportError } from "./transport-error.ts";

const MAX_ERROR_BYTES = 64 * 1024;

export interface FetchedManifest {
  readonly bytes: Uint8Array;
  /** Of the bytes, computed here */
  readonly digest: Digest;
  readonly contentType: string;
}

export interface RegistryClientParts {
  readonly http: HttpClient;
  readonly auth: RegistryAuth;
  readonly policy: TransportPolicy;
  readonly retry: RetryLimits;
  readonly log: Log;
}

export class RegistryClient {
  readonly #parts: RegistryClientParts;

  constructor(parts: RegistryClientParts) {
    this.#parts = parts;
  }

  retryScope(registry: string): RetryScope {
    return { limits: this.#parts.retry, registry, log: this.#parts.log };
  }

  /**
   * Fetches a manifest or an index by tag or digest and verifies its digest, where one was promised.
   * @throws FlintlockError `not_found`, `unauthenticated`, `permission_denied`, `unavailable`, `data_loss`
   */
  async manifest(
    repository: Pick<ReferenceParts, "registry" | "repository">,
    tagOrDigest: string,
    signal: AbortSignal,
  ): Promise<FetchedManifest> {
    const scope = this.retryScope(repository.registry);
    const fetched = await withRetries(
      scope,
      async () => {
        const response = await this.get(
          repository,
          `manifests/${tagOrDigest}`,
          { accept: ACCEPTED_MANIFESTS },
          signal,
        );
        const bytes = await readAll(response, MAX_MANIFEST_BYTES, "the manifest");
        return { bytes, headers: response.headers };
      },
      signal,
    );
    const { bytes, headers } = fetched;
    const digest = digestOf(bytes);
    const stated = headers["docker-content-digest"];
    const promised = isDigest(tagOrDigest) ? tagOrDigest : undefined;
    for (const expected of [promised, stated]) {
      if (typeof expected !== "string" || !isDigest(expected) || expected === digest) continue;
      throw new FlintlockError(
        "data_loss",
        `registry ${repository.registry} sent a manifest with digest ${digest} instead of ${expected}`,
      );
    }
    return { bytes, digest, contentType: headers["content-type"] ?? "" };
  }

  /**
   * GET below `/v2/<repository>/`, logging in when asked to. Resolves for 200, 206 and 416 alone.
   * @throws TransportError – busy or broken, try again
   * @throws FlintlockError `not_found`, `unauthenticated`, `permission_denied`, `unavailable`
   */
  async get(
    { registry, repository }: Pick<ReferenceParts, "registry" | "repository">,
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    const { http, auth, policy } = this.#parts;
    const url = new URL(`v2/${repository}/${path}`, policy.registryUrl(registry));
    const scope = { registry, repository };
    const send = (authorization: string | undefined) =>
      http.send(
        { url, headers: authorization === undefined ? headers : { ...headers, authorization } },
        signal,
      );

    const first = auth.current(scope);
    let response = await send(first);
    // A challenge counts only from the registry itself: whom it redirects to gets no log-in from us.
    if (response.status === 401 && response.url.origin === url.origin) {
      response.discard();
      const next = await auth.answer(scope, response.headers["www-authenticate"], first, signal);
      response = await send(next);
    }
    const { status } = response;
    if (status === 200 || status === 206 || status === 416) return response;
    if (isBusy(status)) {
      response.discard();
      throw busyError(response);
    }
    throw refused(registry, `${registry}/${repository}`, status, await errorWords(response));
  }
}

const refused = (registry: string, what: string, status: number, words: string): FlintlockError => {
  const said = words === "" ? "" : ` (${words})`;
  if (status === 404) {
    return new FlintlockError("not_found", `${what}: the registry has no such image${said}`, {
      hint: "Check the spelling of the reference and its tag.",
    });
  }
  if (status === 401) return refusal(registry, `refused ${what}${said}`);
  if (status === 403) {
    return new FlintlockError("permission_denied", `registry ${registry} forbids ${what}${said}`, {
      hint: "Check that the account may pull this image.",
    });
  }
  return new FlintlockError("unavailable", `registry ${registry} answered ${status} for ${what}${said}`);
};

/** The first error of the body (distribution spec, error codes), fit for a message; empty when there is none. */
const errorWords = async (response: HttpResponse): Promise<string> => {
  try {
    const bytes = await readAll(response, MAX_ERROR_BYTES, "the error");
    const body: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
    const [error]: unknown[] = isObject(body) && Array.isArray(body["errors"]) ? body["errors"] : [];
    return isObject(error) && typeof error["message"] === "string" ? shown(error["message"]) : "";
  } catch (error) {
    const isUnreadable =
      error instanceof SyntaxError || error instanceof TransportError || error instanceof FlintlockError;
    if (isUnreadable) return "";
    throw error;
  }
};
