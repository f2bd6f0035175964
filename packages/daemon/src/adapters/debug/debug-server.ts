/**
 * The debug endpoint: plain HTTP on loopback, for whoever is on this host. COMPAT: upstream's paths; what is behind them
 * is V8's, not Go's: load it into a browser's developer tools.
 *
 * SAFETY: nobody is asked who they are, so it listens on loopback only, and only for those who name it so: a web page
 * that got its own host name to point here is refused.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { FlintlockError, type Log, toFlintlockError } from "@flintlock/core";
import { createProfiler, type Profiler } from "./profiler.ts";

export interface DebugPage {
  /** Such as `/metrics` */
  readonly path: string;
  readonly serve: () => Promise<{ readonly contentType: string; readonly body: string | Uint8Array }>;
}

export interface DebugOptions {
  readonly host: string;
  /** 0 picks a free one */
  readonly port: number;
  readonly pages: readonly DebugPage[];
  readonly onFailed: (error: Error) => void;
  readonly log: Log;
}

export interface DebugServer {
  /** `host:port` */
  readonly address: string;
  close(): Promise<void>;
}

const PROFILE = "/debug/pprof/profile";
const HEAP = "/debug/pprof/heap";
const DEFAULT_SECONDS = 10;
const MAX_SECONDS = 60;
const MAX_CONNECTIONS = 16;
/** COMPAT: upstream's. */
const HEADERS_TIMEOUT_MS = 3_000;

/** @throws FlintlockError `failed_precondition` – the address is taken */
export const openDebugServer = async (options: DebugOptions): Promise<DebugServer> => {
  const { host, port, onFailed, log } = options;
  const ending = new AbortController();
  const context = { ...options, profiler: createProfiler(), ending: ending.signal };
  const server = createServer({ headersTimeout: HEADERS_TIMEOUT_MS }, (request, response) => {
    answer(context, request, response).catch((thrown: unknown) => {
      const error = toFlintlockError(thrown);
      log.warn("the debug endpoint could not answer", { path: request.url, error: error.message });
      if (response.headersSent) response.destroy();
      else send(response, error.code === "exhausted" ? 429 : 500, `${error.message}\n`);
    });
  });
  server.maxConnections = MAX_CONNECTIONS;
  await listening(server, port, host);
  server.on("error", onFailed);
  const bound = server.address() as AddressInfo;
  return {
    address: bound.family === "IPv6" ? `[${bound.address}]:${bound.port}` : `${bound.address}:${bound.port}`,
    close: () =>
      new Promise((resolve) => {
        ending.abort();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};

const listening = (server: Server, port: number, host: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once("error", (cause) => {
      reject(
        new FlintlockError("failed_precondition", `the debug endpoint ${host}:${port} cannot be opened`, {
          cause,
        }),
      );
    });
    server.listen(port, host, () => {
      server.removeAllListeners("error");
      resolve();
    });
  });

interface Context extends DebugOptions {
  readonly profiler: Profiler;
  readonly ending: AbortSignal;
}

const answer = async (
  context: Context,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> => {
  if (request.method !== "GET") return send(response, 405, "GET only\n");
  if (!isLoopbackName(request.headers.host) || request.headers.origin !== undefined) {
    return send(response, 403, "name this endpoint by localhost or its address\n");
  }
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
  const page = context.pages.find(({ path }) => path === pathname);
  if (page !== undefined) {
    const { contentType, body } = await page.serve();
    return send(response, 200, body, contentType);
  }
  switch (pathname) {
    case "/":
    case "/debug/pprof/":
      return send(response, 200, index(context.pages));
    case PROFILE:
      return sendProfile(context, searchParams.get("seconds"), response);
    case HEAP:
      return sendHeap(context, response);
    default:
      return send(response, 404, "not found\n");
  }
};

const index = (pages: readonly DebugPage[]): string =>
  [
    ...pages.map(({ path }) => path),
    `${PROFILE}?seconds=${DEFAULT_SECONDS}  where time goes, up to ${MAX_SECONDS} s; save as x.cpuprofile`,
    `${HEAP}  what is in memory, secrets included; stops the daemon meanwhile; save as x.heapsnapshot`,
    "",
  ].join("\n");

const sendProfile = async (
  { profiler, ending, log }: Context,
  asked: string | null,
  response: ServerResponse,
): Promise<void> => {
  const seconds = asked === null ? DEFAULT_SECONDS : Number(asked);
  if (!/^\d{0,3}$/.test(asked ?? "") || seconds < 1 || seconds > MAX_SECONDS) {
    return send(response, 400, `seconds: must be a whole number from 1 to ${MAX_SECONDS}\n`);
  }
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  log.info("a CPU profile is taken", { seconds });
  const profile = await profiler.cpu(seconds, AbortSignal.any([ending, gone.signal]));
  send(response, 200, profile, "application/json");
};

const sendHeap = async ({ profiler, log }: Context, response: ServerResponse): Promise<void> => {
  log.warn("a heap snapshot is taken; nothing else happens meanwhile");
  await profiler.heap((piece) => {
    if (!response.headersSent) response.writeHead(200, { "Content-Type": "application/json" });
    response.write(piece);
  });
  response.end();
};

const send = (
  response: ServerResponse,
  status: number,
  body: string | Uint8Array,
  contentType = "text/plain; charset=utf-8",
): void => {
  const headers = {
    "Content-Type": contentType,
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
  };
  response.writeHead(status, headers);
  response.end(body);
};

const isLoopbackName = (host: string | undefined): boolean =>
  /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i.test(host ?? "");
