/** A request to a bound method: body and parameters in, the handler's answer out. */
import { FlintlockError } from "@flintlock/core";
import { orAborted } from "../abortable.ts";
import { OK } from "../door.ts";
import { deadlineExceeded } from "../errors.ts";
import type { Outcome } from "../interceptor.ts";
import type { Call } from "../service.ts";
import { readBody } from "./body.ts";
import { acceptsEventStream, EVENT_STREAM, isResumable, resumed } from "./event-stream.ts";
import { type Exchange, enter, fail } from "./exchange.ts";
import { parseForm } from "./form.ts";
import { forwardHeaders, refuseBadBinary } from "./forwarded-headers.ts";
import { grpcTimeoutMs } from "./grpc-timeout.ts";
import { type HttpParts, requestMessage } from "./request-message.ts";
import { replyJson, sendJson } from "./responses.ts";
import type { Match } from "./router.ts";
import { JSON_LINES, sendStream } from "./send-stream.ts";

export interface CallExchange extends Exchange {
  /** The body is a form, and its parameters are as good as the query's */
  readonly hasForm: boolean;
}

/** Never throws what the client has to hear. `matches` is not empty. */
export const serveCall = async (exchange: CallExchange, matches: readonly Match[]): Promise<void> => {
  const { request } = exchange;
  const method = methodName(matches[0]);
  const entered = enter(exchange, method);
  let timer: NodeJS.Timeout | undefined;
  try {
    refuseBadBinary(request);
    const timeoutMs = grpcTimeoutMs(request.headers["grpc-timeout"]);
    if (timeoutMs !== undefined) timer = setTimeout(() => entered.abort(deadlineExceeded()), timeoutMs);
    const call = entered.call();
    const parts = await orAborted(readParts(exchange), call.signal);
    entered.end(await firstAnswer(exchange, matches, { parts, call }));
  } catch (error) {
    fail(exchange, { method, entered }, error);
  } finally {
    clearTimeout(timer);
  }
};

const readParts = async ({ request, query, hasForm, limits }: CallExchange): Promise<HttpParts> => {
  const body = await readBody(request, limits.maxMessageBytes);
  if (!hasForm) return { query, form: new URLSearchParams(), body };
  return { query, form: parseForm(Buffer.from(body).toString("latin1"), "body"), body: new Uint8Array() };
};

interface Asked {
  readonly parts: HttpParts;
  readonly call: Call;
}

/** Tries the matches in turn; one that yields passes NOT_FOUND on to the next. */
const firstAnswer = async (
  exchange: CallExchange,
  matches: readonly Match[],
  asked: Asked,
): Promise<Outcome> => {
  const [match, ...others] = matches;
  if (match === undefined) return OK;
  try {
    return await answer(exchange, match, asked);
  } catch (error) {
    const hasNext = match.route.yields !== undefined && others.length > 0;
    if (!hasNext || !(error instanceof FlintlockError) || error.code !== "not_found") throw error;
    return await firstAnswer(exchange, others, asked);
  }
};

const answer = async (exchange: CallExchange, match: Match, { parts, call }: Asked): Promise<Outcome> => {
  const { request, response, limits } = exchange;
  const { method } = match.route;
  const message = requestMessage(match, parts, limits.maxJsonDepth);
  if (method.kind === "server_streaming") {
    const isEvents = isResumable(method.desc) && acceptsEventStream(request);
    return await sendStream(
      exchange,
      method.handler(isEvents ? resumed(request, method.desc, message) : message, call),
      {
        call,
        output: method.desc.output,
        name: methodName(match),
        form: isEvents ? EVENT_STREAM : JSON_LINES,
      },
    );
  }
  if (method.kind === "unary") {
    const reply = await orAborted(method.handler(message, call), call.signal);
    const json = replyJson(method.desc.output, reply);
    forwardHeaders(response, call.reply);
    response.setTimeout(limits.stalledReaderMs, () => response.destroy());
    sendJson(response, 200, json);
  }
  return OK;
};

const methodName = (match: Match | undefined): string =>
  match === undefined ? "" : `/${match.route.service}/${match.route.method.desc.name}`;
