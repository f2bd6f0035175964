/** A stream of replies, as newline-delimited JSON where nothing else was asked for. */
import type { ServerResponse } from "node:http";
import type { DescMessage, JsonObject, Message } from "@bufbuild/protobuf";
import { abortable } from "../abortable.ts";
import { OK } from "../door.ts";
import type { Encoded } from "../encoded.ts";
import { statusOf } from "../errors.ts";
import type { Outcome } from "../interceptor.ts";
import type { Call } from "../service.ts";
import type { Exchange } from "./exchange.ts";
import { forwardHeaders } from "./forwarded-headers.ts";
import { errorJson, httpStatusOf, replyJson } from "./responses.ts";

export interface Streamed {
  readonly call: Call;
  readonly output: DescMessage;
  /** The method's, for logs */
  readonly name: string;
  readonly form: StreamForm;
}

/** How a stream looks in a body. */
export interface StreamForm {
  readonly headers: Readonly<Record<string, string>>;
  /** Before the first reply */
  readonly opening: string;
  reply(reply: Message | Encoded, json: string): string;
  /** The last of a stream that has begun */
  error(error: JsonObject): string;
}

/** `{"result":…}` per reply. An error is the last line, `{"error":…}`. */
export const JSON_LINES: StreamForm = {
  headers: { "Content-Type": "application/json" },
  opening: "",
  reply: (_reply, json) => `{"result":${json}}\n`,
  error: (error) => `${JSON.stringify({ error })}\n`,
};

/** An error before the first reply also is the status code, and then JSON in every form. */
export const sendStream = async (
  { response, limits, log }: Exchange,
  replies: AsyncIterable<Message | Encoded>,
  { call, output, name, form }: Streamed,
): Promise<Outcome> => {
  const start = (): void => {
    if (response.headersSent) return;
    forwardHeaders(response, call.reply);
    response.writeHead(200, form.headers);
    if (form.opening !== "") response.write(form.opening);
  };
  try {
    for await (const reply of abortable(replies, call.signal)) {
      start();
      const isTaken = response.write(form.reply(reply, replyJson(output, reply)));
      if (!isTaken) await drained(response, limits.stalledReaderMs, call.signal);
    }
    start();
    response.end();
    return OK;
  } catch (error) {
    const status = statusOf(error, log, name);
    if (response.destroyed) return status;
    const last = response.headersSent ? form : JSON_LINES;
    if (!response.headersSent) response.writeHead(httpStatusOf(status), JSON_LINES.headers);
    response.end(last.error(errorJson(status)));
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
