/** The JSON gateway: any request to any bound method, as grpc-gateway v2 would carry it. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { type PeerCertificate, TLSSocket } from "node:tls";
import type { Message } from "@bufbuild/protobuf";
import { FlintlockError, type Log } from "@flintlock/core";
import { abortable, orAborted } from "../abortable.ts";
import { type Door, type Entered, OK } from "../door.ts";
import type { Encoded } from "../encoded.ts";
import { canceled, deadlineExceeded, statusOf } from "../errors.ts";
import type { Outcome } from "../interceptor.ts";
import type { ApiLimits } from "../limits.ts";
import type { Status } from "../schema/rpc-status.ts";
import type { Call } from "../service.ts";
import { readBody } from "./body.ts";
import { metadataOf } from "./forwarded-headers.ts";
import { grpcTimeoutMs } from "./grpc-timeout.ts";
import { createPageFinder, type Page, type PageMatch } from "./pages.ts";
import { requestMessage } from "./request-message.ts";
import {
  BAD_REQUEST,
  closeAfter,
  errorJson,
  httpStatusOf,
  isBodyTooLarge,
  METHOD_NOT_ALLOWED,
  NOT_FOUND,
  replyJson,
  sendError,
  sendJson,
  sendPage,
} from "./responses.ts";
import { createRouter, type Match, type Route } from "./router.ts";

export type Gateway = (request: IncomingMessage, response: ServerResponse) => void;

const PAYLOAD_TOO_LARGE = 413;

export interface GatewayContext {
  readonly limits: ApiLimits;
  readonly door: Door;
  readonly log: Log;
}

export const createGateway = (
  { routes, pages }: { readonly routes: readonly Route[]; readonly pages: readonly Page[] },
  context: GatewayContext,
): Gateway => {
  const route = createRouter(routes);
  const findPage = createPageFinder(pages);
  const failed = (response: ServerResponse, error: unknown): void => {
    // Only a bug of this file gets here; the client must still not wait for ever
    context.log.error("gateway failed", { error });
    response.destroy();
  };
  return (request, response) => {
    const path = parseTarget(request.url ?? "");
    if (path === undefined) {
      closeAfter(request, response);
      sendError(response, BAD_REQUEST);
      return;
    }
    const page = findPage(path.components);
    if (page !== undefined) {
      servePage({ ...context, request, response, query: path.query }, page).catch((error: unknown) =>
        failed(response, error),
      );
      return;
    }
    const routing = route(request.method ?? "", path.components);
    if (routing.kind !== "found") {
      closeAfter(request, response);
      sendError(response, routing.kind === "not_found" ? NOT_FOUND : METHOD_NOT_ALLOWED);
      return;
    }
    const exchange = { ...context, request, response, query: path.query };
    serve(exchange, routing.matches).catch((error: unknown) => failed(response, error));
  };
};

/** Undefined when the target is no absolute path or is wrongly percent-encoded. */
const parseTarget = (
  target: string,
): { readonly components: readonly string[]; readonly query: URLSearchParams } | undefined => {
  const [, path, query = ""] = /^\/([^?#]*)(?:\?([^#]*))?/.exec(target) ?? [];
  if (path === undefined) return undefined;
  try {
    return { components: path.split("/").map(decodeURIComponent), query: new URLSearchParams(query) };
  } catch {
    // decodeURIComponent throws nothing but URIError
    return undefined;
  }
};

interface Exchange extends GatewayContext {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
}

const serve = async (exchange: Exchange, matches: readonly Match[]): Promise<void> => {
  const { request, limits } = exchange;
  const entered = enter(exchange, methodName(matches[0]));
  let timer: NodeJS.Timeout | undefined;
  try {
    const timeoutMs = grpcTimeoutMs(request.headers["grpc-timeout"]);
    if (timeoutMs !== undefined) timer = setTimeout(() => entered.abort(deadlineExceeded()), timeoutMs);
    const call = entered.call();
    const body = await orAborted(readBody(request, limits.maxMessageBytes), call.signal);
    entered.end(await firstAnswer(exchange, matches, body, call));
  } catch (error) {
    fail(exchange, methodName(matches[0]), entered, error);
  } finally {
    clearTimeout(timer);
  }
};

const peerCertificate = (socket: Socket): PeerCertificate | undefined => {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const certificate = socket.getPeerCertificate();
  // Without one Node answers with an empty object
  return certificate.raw === undefined ? undefined : certificate;
};

const servePage = async (exchange: Exchange, { page, params }: PageMatch): Promise<void> => {
  const { request, response } = exchange;
  if (request.method !== "GET" && request.method !== "HEAD") {
    closeAfter(request, response);
    sendError(response, METHOD_NOT_ALLOWED);
    return;
  }
  const entered = enter(exchange, page.path);
  try {
    const { access } = page;
    const reply =
      access.kind === "public" ? await access.serve(params) : await access.serve(params, entered.call());
    sendPage(response, reply);
    entered.end(OK);
  } catch (error) {
    fail(exchange, page.path, entered, error);
  }
};

const enter = ({ request, response, door }: Exchange, method: string): Entered => {
  const { socket } = request;
  const entered = door.enter({
    method,
    transport: "http",
    peer: socket.remoteAddress === undefined ? "" : `${socket.remoteAddress}:${socket.remotePort}`,
    metadata: metadataOf(request.headers),
    certificate: peerCertificate(socket),
  });
  response.on("close", () => entered.abort(canceled()));
  return entered;
};

/** Tries the matches in turn; one that yields passes NOT_FOUND on to the next. */
const firstAnswer = async (
  exchange: Exchange,
  matches: readonly Match[],
  body: Uint8Array,
  call: Call,
): Promise<Outcome> => {
  const [match, ...others] = matches;
  if (match === undefined) return OK;
  try {
    return await answer(exchange, match, body, call);
  } catch (error) {
    const hasNext = match.route.yields !== undefined && others.length > 0;
    if (!hasNext || !(error instanceof FlintlockError) || error.code !== "not_found") throw error;
    return await firstAnswer(exchange, others, body, call);
  }
};

const answer = async (exchange: Exchange, match: Match, body: Uint8Array, call: Call): Promise<Outcome> => {
  const { response, query, limits } = exchange;
  const { method } = match.route;
  const message = requestMessage(match, { query, body }, limits.maxJsonDepth);
  // COMPAT: grpc-gateway passes the inner call's header on
  response.setHeader("Grpc-Metadata-Content-Type", "application/grpc");
  if (method.kind === "unary") {
    const reply = await orAborted(method.handler(message, call), call.signal);
    sendHeaders(response, call);
    const json = replyJson(method.desc.output, reply);
    response.setTimeout(limits.stalledReaderMs, () => response.destroy());
    sendJson(response, 200, json);
  } else if (method.kind === "server_streaming") {
    return await stream(exchange, match, method.handler(message, call), call);
  }
  return OK;
};

/** One JSON object per line. An error is the last line; before the first line it also is the status code. */
const stream = async (
  exchange: Exchange,
  match: Match,
  replies: AsyncIterable<Message | Encoded>,
  call: Call,
): Promise<Outcome> => {
  const { signal } = call;
  const { response, limits, log } = exchange;
  const { output } = match.route.method.desc;
  try {
    for await (const reply of abortable(replies, signal)) {
      if (!response.headersSent) {
        sendHeaders(response, call);
        response.writeHead(200, { "Content-Type": "application/json" });
      }
      const isTaken = response.write(`{"result":${replyJson(output, reply)}}\n`);
      if (!isTaken) await drained(response, limits.stalledReaderMs, signal);
    }
    if (!response.headersSent) response.writeHead(200, { "Content-Type": "application/json" });
    response.end();
    return OK;
  } catch (error) {
    const status = statusOf(error, log, methodName(match));
    if (response.destroyed) return status;
    if (!response.headersSent)
      response.writeHead(httpStatusOf(status), { "Content-Type": "application/json" });
    response.end(`${JSON.stringify({ error: errorJson(status) })}\n`);
    return status;
  }
};

const drained = (response: ServerResponse, stalledMs: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => response.destroy(), stalledMs);
    const settle = (): void => {
      clearTimeout(timer);
      response.off("drain", settle);
      signal.removeEventListener("abort", settle);
      if (signal.aborted) reject(signal.reason);
      else resolve();
    };
    response.on("drain", settle);
    signal.addEventListener("abort", settle);
    if (signal.aborted) settle();
  });

const sendHeaders = (response: ServerResponse, { reply }: Call): void => {
  for (const [name, value] of reply.entries()) response.setHeader(`Grpc-Metadata-${name}`, value);
};

/** The gateway's catch-all. */
const fail = (
  { request, response, log }: Exchange,
  method: string,
  entered: Entered,
  thrown: unknown,
): void => {
  const error: Status = statusOf(thrown, log, method);
  entered.end(error);
  if (response.destroyed) return;
  closeAfter(request, response);
  sendError(response, error, isBodyTooLarge(thrown) ? PAYLOAD_TOO_LARGE : httpStatusOf(error));
};

const methodName = (match: Match | undefined): string =>
  match === undefined ? "" : `/${match.route.service}/${match.route.method.desc.name}`;
