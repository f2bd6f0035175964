/**
 * One HTTP exchange with a registry over node:http(s), which unlike fetch gives exact control: when to stop
 * waiting for a header or a body, what a redirect may take along, how much is read.
 */
import {
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { FlintlockError } from "@flintlock/core";
import { hasErrorCode } from "../store/durable-file.ts";
import type { TransportPolicy } from "./endpoint.ts";
import { TransportError } from "./transport-error.ts";

export interface HttpLimits {
  /** From the start of the request to the response's header, connecting included */
  readonly responseTimeoutMs: number;
  /** Longest silence inside a body */
  readonly idleTimeoutMs: number;
}

export interface HttpRequest {
  readonly method?: "GET" | "POST";
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Where the answer came from, after redirects */
  readonly url: URL;
  /** Raw body; throws TransportError when it breaks off or goes silent */
  body(): AsyncIterable<Uint8Array>;
  /** Gives the connection up without reading on. */
  discard(): void;
}

const MAX_REDIRECTS = 10;
const MAX_SOCKETS_PER_HOST = 8;
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];

export class HttpClient {
  readonly #policy: TransportPolicy;
  readonly #limits: HttpLimits;
  // Idle sockets are unreferenced by the agents, so they hold nobody up.
  readonly #http = new HttpAgent({ keepAlive: true, maxSockets: MAX_SOCKETS_PER_HOST });
  readonly #https = new HttpsAgent({ keepAlive: true, maxSockets: MAX_SOCKETS_PER_HOST });

  constructor(policy: TransportPolicy, limits: HttpLimits) {
    this.#policy = policy;
    this.#limits = limits;
  }

  /**
   * Sends a request and follows redirects by hand; `Authorization` goes no further than the first origin.
   * @throws TransportError – a retry may help
   * @throws FlintlockError `unavailable` – a retry will not (certificate, too many redirects);
   *   `permission_denied` – somewhere on the way was plain http
   */
  async send(first: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
    let request = first;
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      const response = await this.#sendOnce(request, signal);
      const { location } = response.headers;
      if (!REDIRECTS.includes(response.status) || location === undefined) return response;
      response.discard();
      request = redirected(request, location);
    }
    throw new FlintlockError("unavailable", `${first.url.host} redirects more than ${MAX_REDIRECTS} times`);
  }

  async #sendOnce(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
    const { url } = request;
    this.#policy.check(url);
    const message = await this.#exchange(request, signal);
    const limits = this.#limits;
    return {
      status: message.statusCode ?? 0,
      headers: message.headers,
      url,
      body: () => readBody(message, url, limits.idleTimeoutMs, signal),
      discard: () => {
        message.on("error", ignoreAfterDiscard);
        message.destroy();
      },
    };
  }

  #exchange(
    { method = "GET", url, headers, body }: HttpRequest,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const isHttps = url.protocol === "https:";
    const options = {
      method,
      headers: { "user-agent": "flintlock", "accept-encoding": "identity", ...headers },
      agent: isHttps ? this.#https : this.#http,
      signal,
    };
    return new Promise((resolve, reject) => {
      const request = isHttps ? httpsRequest(url, options) : httpRequest(url, options);
      const timer = setTimeout(() => {
        request.destroy(new TransportError(`no answer within ${this.#limits.responseTimeoutMs} ms`));
      }, this.#limits.responseTimeoutMs);
      request.once("response", (message) => {
        clearTimeout(timer);
        resolve(message);
      });
      // Stays attached: a late socket error after the response must not be uncaught.
      request.on("error", (error) => {
        clearTimeout(timer);
        reject(signal.aborted ? signal.reason : explain(error, url));
      });
      request.end(body);
    });
  }
}

/** Reads at most `maxBytes` of a body into memory. @throws FlintlockError `data_loss` – there is more */
export const readAll = async (
  response: HttpResponse,
  maxBytes: number,
  what: string,
): Promise<Uint8Array> => {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body()) {
    length += chunk.length;
    if (length > maxBytes) throw new FlintlockError("data_loss", `${what} is over ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
};

async function* readBody(
  message: IncomingMessage,
  url: URL,
  idleTimeoutMs: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let isWaiting = true;
  const timer = setTimeout(() => {
    // Our own reader may be slow, a full disk cache for one; only the server's silence counts.
    if (isWaiting) message.destroy(new TransportError(`${url.host} sent nothing for ${idleTimeoutMs} ms`));
    else timer.refresh();
  }, idleTimeoutMs);
  try {
    for await (const chunk of message) {
      isWaiting = false;
      yield chunk as Uint8Array;
      isWaiting = true;
      timer.refresh();
    }
  } catch (error) {
    throw signal.aborted ? signal.reason : explain(error, url);
  } finally {
    clearTimeout(timer);
  }
  if (!message.complete) throw new TransportError(`${url.host} closed the connection half way`);
}

const redirected = (request: HttpRequest, location: string): HttpRequest => {
  const target = URL.canParse(location, request.url.href) ? new URL(location, request.url) : undefined;
  if (target === undefined || request.method === "POST") {
    throw new FlintlockError("unavailable", `${request.url.host} redirects to where we cannot follow`);
  }
  // A signed URL must not see our token, and no host but the registry may.
  const { authorization, ...others } = request.headers ?? {};
  const keeps = authorization !== undefined && target.origin === request.url.origin;
  return { ...request, url: target, headers: keeps ? { ...others, authorization } : others };
};

const explain = (error: unknown, url: URL): Error => {
  if (error instanceof TransportError) return error;
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (/CERT|SELF_SIGNED|UNABLE_TO_|SSL|TLS|EPROTO/.test(code)) {
    return new FlintlockError("unavailable", `no secure connection to ${url.host}: ${code}`, {
      cause: error,
      hint: "Trust the registry's certificate (NODE_EXTRA_CA_CERTS), or list it as insecure if it speaks plain http.",
    });
  }
  if (hasErrorCode(error, "ENOTFOUND")) {
    return new FlintlockError("unavailable", `the host name ${url.hostname} cannot be resolved`, {
      cause: error,
      hint: "Check the image reference and this host's network.",
    });
  }
  const words = error instanceof Error ? error.message : String(error);
  return new TransportError(`${url.host}: ${words}`, { cause: error });
};

const ignoreAfterDiscard = () => {};
