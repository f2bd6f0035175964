/** A stream of replies as newline-delimited JSON. */
import type { ServerResponse } from "node:http";
import type { DescMessage, Message } from "@bufbuild/protobuf";
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
}

const JSON_LINES = { "Content-Type": "application/json" } as const;

/** `{"result":…}` per reply. An error is the last line, `{"error":…}`; before the first it also is the status code. */
export const sendStream = async (
  { response, limits, log }: Exchange,
  replies: AsyncIterable<Message | Encoded>,
  { call, output, name }: Streamed,
): Promise<Outcome> => {
  const start = (): void => {
    if (response.headersSent) return;
    forwardHeaders(response, call.reply);
    response.writeHead(200, JSON_LINES);
  };
  try {
    for await (const reply of abortable(replies, call.signal)) {
      start();
      const isTaken = response.write(`{"result":${replyJson(output, reply)}}\n`);
      if (!isTaken) await drained(response, limits.stalledReaderMs, call.signal);
    }
    start();
    response.end();
    return OK;
  } catch (error) {
    const status = statusOf(error, log, name);
    if (response.destroyed) return status;
    if (!response.headersSent) response.writeHead(httpStatusOf(status), JSON_LINES);
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
