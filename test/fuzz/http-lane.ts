/** Requests to every route over HTTP, with generated and with damaged paths, queries, headers and bodies. */
import { Agent, request as httpRequest } from "node:http";
import type { DescMethod, JsonValue } from "@bufbuild/protobuf";
import type { Generator } from "./message-generator.ts";
import { mutate, type Random } from "./random.ts";

export interface HttpRoute {
  readonly verb: string;
  readonly path: string;
  readonly method: DescMethod;
}

export interface HttpRound {
  readonly request: string;
  /** 0: no answer in time */
  readonly code: number;
  readonly text: string;
}

const DEADLINE_MS = 20_000;
const STREAM_MS = 60;
const HEADERS: readonly (readonly [string, readonly string[]])[] = [
  ["Grpc-Timeout", ["1S", "0n", "99999999H", "x", "-1S"]],
  ["Grpc-Metadata-Flintlock-Page-Size", ["1", "-1", "a", "99999999999999999999"]],
  ["Idempotency-Key", ["k", "", "x".repeat(500)]],
  ["Content-Type", ["application/json", "application/x-www-form-urlencoded", "text/plain", ";;"]],
  ["X-HTTP-Method-Override", ["DELETE", "GET", "BREW"]],
  ["Authorization", ["Basic eA==", "Bearer x", "x"]],
  ["TE", ["trailers"]],
  ["Accept-Encoding", ["gzip", "*"]],
];

export const createHttpLane = (socketPath: string): ((round: Round) => Promise<HttpRound>) & Disposable => {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  const lane = (round: Round): Promise<HttpRound> => send(socketPath, agent, compose(round));
  return Object.assign(lane, { [Symbol.dispose]: () => agent.destroy() });
};

interface Round {
  readonly route: HttpRoute;
  readonly random: Random;
  readonly generator: Generator;
}

interface Composed {
  readonly verb: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

const compose = ({ route, random, generator }: Round): Composed => {
  const message = generator.message(route.method.input);
  const target = route.path.replace(/\{(\w+)[^}]*\}/g, (_, name: string) => {
    const value = message[camel(name)];
    return encodeURIComponent(wellFormed(typeof value === "string" ? value : "web"));
  });
  const query = random.chance(0.4) ? `?${queryOf(message, random)}` : "";
  const path = printable(random.chance(0.15) ? mutate(random, Buffer.from(target + query)) : target + query);
  const json = route.path.includes("/v1alpha1/") ? (message["microvm"] ?? message) : message;
  const text = Buffer.from(JSON.stringify(json as JsonValue));
  const hasBody = route.verb !== "GET" && route.verb !== "DELETE";
  const headers: Record<string, string> = {};
  for (const [name, values] of HEADERS) if (random.chance(0.05)) headers[name] = random.pick(values);
  return {
    verb: random.chance(0.02) ? random.pick(["PUT", "PATCH", "OPTIONS", "HEAD", "TRACE"]) : route.verb,
    path: path.startsWith("/") ? path : `/${path}`,
    headers,
    body: !hasBody ? Buffer.alloc(0) : random.chance(0.3) ? mutate(random, text) : text,
  };
};

const camel = (name: string): string => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());

const queryOf = (message: Readonly<Record<string, unknown>>, random: Random): string =>
  Object.entries(message)
    .filter(() => random.chance(0.7))
    .map(([name, value]) => {
      const text = typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
      return `${name}=${encodeURIComponent(wellFormed(text).slice(0, 500))}`;
    })
    .join("&");

/** encodeURIComponent refuses lone surrogates. */
const wellFormed = (text: string): string => text.replace(/\p{Surrogate}/gu, "\uFFFD");

/** What node's client is willing to send as a path. */
const printable = (path: Buffer | string): string => path.toString("latin1").replace(/[^\x21-\x7e]/g, "~");

const send = (
  socketPath: string,
  agent: Agent,
  { verb, path, headers, body }: Composed,
): Promise<HttpRound> =>
  new Promise((resolve) => {
    const what = `${verb} ${path} ${JSON.stringify(headers)} ${body.toString("latin1").slice(0, 2_000)}`;
    let text = "";
    let code = 0;
    const done = (): void => {
      clearTimeout(timer);
      resolve({ request: what, code, text });
    };
    const request = httpRequest(
      { socketPath, agent, method: verb, path, headers: { ...headers } },
      (response) => {
        code = response.statusCode ?? 0;
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          text = (text + chunk).slice(0, 1_000_000);
        });
        response.on("close", done);
        // A stream that goes on is left; what it has said counts
        setTimeout(() => response.destroy(), STREAM_MS).unref();
      },
    );
    const timer = setTimeout(() => request.destroy(), DEADLINE_MS);
    request.on("error", (error: NodeJS.ErrnoException) => {
      // The answer to a body that is refused may overtake it
      if (code === 0 && (error.code === "ECONNRESET" || error.code === "EPIPE")) code = 400;
      done();
    });
    request.end(body);
  });
