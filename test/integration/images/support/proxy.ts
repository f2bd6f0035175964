/** A reverse proxy before a real registry, which misbehaves as a test tells it to. */
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { Workplace } from "./workplace.ts";

export interface ProxyRequest {
  readonly method: string;
  readonly url: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** `manifests`, `blobs`, or empty */
  readonly kind: string;
}

export interface Upstream {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** True when it answered the request itself; the proxy forwards what it leaves. */
export type Behaviour = (
  request: ProxyRequest,
  response: ServerResponse,
  upstream: () => Promise<Upstream>,
) => Promise<boolean> | boolean;

export interface RegistryProxy {
  /** `127.0.0.1:port` */
  readonly host: string;
  readonly requests: readonly ProxyRequest[];
  behave(behaviour: Behaviour): void;
}

export const startProxy = async (workplace: Workplace, registry: string): Promise<RegistryProxy> => {
  const requests: ProxyRequest[] = [];
  let behaviour: Behaviour = () => false;
  const server = createServer(async (incoming, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const url = new URL(incoming.url ?? "/", "http://proxy");
    const request: ProxyRequest = {
      method: incoming.method ?? "",
      url: incoming.url ?? "",
      path: url.pathname,
      query: url.searchParams,
      headers: incoming.headers,
      body: Buffer.concat(chunks).toString(),
      kind: /\/(manifests|blobs)\//.exec(url.pathname)?.[1] ?? "",
    };
    requests.push(request);
    const upstream = () => forward(registry, request);
    response.on("error", () => {});
    try {
      if (await behaviour(request, response, upstream)) return;
      reply(response, await upstream());
    } catch (error) {
      response.destroy(error as Error);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  workplace.defer(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    host: `127.0.0.1:${address.port}`,
    requests,
    behave: (next) => {
      behaviour = next;
      requests.length = 0;
    },
  };
};

export const reply = (response: ServerResponse, { status, headers, body }: Upstream): void => {
  response.writeHead(status, headers);
  response.end(body);
};

/** Sends a header that promises all of `body`, half of it, and then cuts the connection. */
export const cutHalfWay = ({ status, headers, body }: Upstream, response: ServerResponse): void => {
  response.writeHead(status, { ...headers, "content-length": String(body.length) });
  response.write(body.subarray(0, Math.floor(body.length / 2)), () => {
    // Time for the bytes to leave; a reset drops what is still buffered.
    setTimeout(() => response.destroy(), 50);
  });
};

const PASSED_ON = [
  "content-type",
  "content-range",
  "docker-content-digest",
  "accept-ranges",
  "www-authenticate",
];

const forward = async (registry: string, request: ProxyRequest): Promise<Upstream> => {
  const headers: Record<string, string> = {};
  for (const name of ["accept", "range"] as const) {
    const value = request.headers[name];
    if (typeof value === "string") headers[name] = value;
  }
  const answer = await fetch(`http://${registry}${request.url}`, { method: request.method, headers });
  const body = Buffer.from(await answer.arrayBuffer());
  const kept = PASSED_ON.flatMap((name) => {
    const value = answer.headers.get(name);
    return value === null ? [] : [[name, value] as const];
  });
  return {
    status: answer.status,
    headers: { ...Object.fromEntries(kept), "content-length": String(body.length) },
    body,
  };
};
