/** The JSON gateway: any request to any bound method, as grpc-gateway v2 would carry it. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Message } from "@bufbuild/protobuf";
import { FlintlockError, type Log } from "@flintlock/core";
import { abortable, orAborted } from "../abortable.ts";
import type { Encoded } from "../encoded.ts";
import { canceled, deadlineExceeded, statusOf } from "../errors.ts";
import type { ApiLimits } from "../limits.ts";
import type { OpenCalls } from "../open-calls.ts";
import type { Status } from "../schema/rpc-status.ts";
import type { Call } from "../service.ts";
import { readBody } from "./body.ts";
import { grpcTimeoutMs } from "./grpc-timeout.ts";
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
} from "./responses.ts";
import { createRouter, type Match, type Route } from "./router.ts";

export type Gateway = (request: IncomingMessage, response: ServerResponse) => void;

const PAYLOAD_TOO_LARGE = 413;

export interface GatewayContext {
  readonly limits: ApiLimits;
  readonly calls: OpenCalls;
  readonly log: Log;
}

export const createGateway = (routes: readonly Route[], context: GatewayContext): Gateway => {
  const route = createRouter(routes);
  return (request, response) => {
    const path = parseTarget(request.url ?? "");
    if (path === undefined) {
      closeAfter(request, response);
      sendError(response, BAD_REQUEST);
      return;
    }
    const routing = route(request.method ?? "", path.components);
    if (routing.kind !== "found") {
      closeAfter(request, response);
      sendError(response, routing.kind === "not_found" ? NOT_FOUND : METHOD_NOT_ALLOWED);
      return;
    }
    const exchange = { ...context, request, response, query: path.query };
    serve(exchange, routing.matches).catch((error: unknown) => {
      // Only a bug of this file gets here; the client must still not wait for ever
      context.log.error("gateway failed", { error });
      response.destroy();
    });
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
  const { request, response, limits } = exchange;
  const { call, abort, end } = exchange.calls.start();
  response.on("close", () => abort(canceled()));
  let timer: NodeJS.Timeout | undefined;
  try {
    const timeoutMs = grpcTimeoutMs(request.headers["grpc-timeout"]);
    if (timeoutMs !== undefined) timer = setTimeout(() => abort(deadlineExceeded()), timeoutMs);
    const body = await orAborted(readBody(request, limits.maxMessageBytes), call.signal);
    await firstAnswer(exchange, matches, body, call);
  } catch (error) {
    fail(exchange, matches, error);
  } finally {
    clearTimeout(timer);
    end();
  }
};

/** Tries the matches in turn; one that yields passes NOT_FOUND on to the next. */
const firstAnswer = async (
  exchange: Exchange,
  matches: readonly Match[],
  body: Uint8Array,
  call: Call,
): Promise<void> => {
  for (const [at, match] of matches.entries()) {
    try {
      await answer(exchange, match, body, call);
      return;
    } catch (error) {
      const hasNext = match.route.yields !== undefined && at + 1 < matches.length;
      if (!hasNext || !(error instanceof FlintlockError) || error.code !== "not_found") throw error;
    }
  }
};

const answer = async (exchange: Exchange, match: Match, body: Uint8Array, call: Call): Promise<void> => {
  const { response, query, limits } = exchange;
  const { method } = match.route;
  const message = requestMessage(match, { query, body }, limits.maxJsonDepth);
  // COMPAT: grpc-gateway passes the inner call's header on
  response.setHeader("Grpc-Metadata-Content-Type", "application/grpc");
  if (method.kind === "unary") {
    const reply = await orAborted(method.handler(message, call), call.signal);
    const json = replyJson(method.desc.output, reply);
    response.setTimeout(limits.stalledReaderMs, () => response.destroy());
    sendJson(response, 200, json);
  } else if (method.kind === "server_streaming") {
    await stream(exchange, match, method.handler(message, call), call);
  }
};

/** One JSON object per line. An error is the last line; before the first line it also is the status code. */
const stream = async (
  exchange: Exchange,
  match: Match,
  replies: AsyncIterable<Message | Encoded>,
  { signal }: Call,
): Promise<void> => {
  const { response, limits, log } = exchange;
  const { output } = match.route.method.desc;
  try {
    for await (const reply of abortable(replies, signal)) {
      if (!response.headersSent) response.writeHead(200, { "Content-Type": "application/json" });
      const isTaken = response.write(`{"result":${replyJson(output, reply)}}\n`);
      if (!isTaken) await drained(response, limits.stalledReaderMs, signal);
    }
    if (!response.headersSent) response.writeHead(200, { "Content-Type": "application/json" });
    response.end();
  } catch (error) {
    if (response.destroyed) return;
    const status = statusOf(error, log, methodName(match));
    if (!response.headersSent)
      response.writeHead(httpStatusOf(status), { "Content-Type": "application/json" });
    response.end(`${JSON.stringify({ error: errorJson(status) })}\n`);
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

/** The gateway's catch-all. */
const fail = ({ request, response, log }: Exchange, matches: readonly Match[], thrown: unknown): void => {
  if (response.destroyed) return;
  const error: Status = statusOf(thrown, log, methodName(matches[0]));
  closeAfter(request, response);
  sendError(response, error, isBodyTooLarge(thrown) ? PAYLOAD_TOO_LARGE : httpStatusOf(error));
};

const methodName = (match: Match | undefined): string =>
  match === undefined ? "" : `/${match.route.service}/${match.route.method.desc.name}`;
