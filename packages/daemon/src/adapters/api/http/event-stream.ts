/**
 * Server-sent events (HTML Living Standard, 9.2), for a stream that can be taken up again: one whose request has `since`
 * and whose messages have a `position`. A browser's EventSource then does by itself what a client has to do: it comes
 * again with the last position.
 *
 *     retry: 1000
 *
 *     id: 42
 *     data: {"position":"42","type":"RUNNING",…}
 *
 * An error that comes after the first message is an event of type `status`; one that comes before is the answer, and an
 * EventSource then gives up: 410 is for whoever has to list anew.
 */
import type { IncomingMessage } from "node:http";
import { type DescMessage, type DescMethod, type Message, mergeFromJson } from "@bufbuild/protobuf";
import { invalidField } from "@flintlock/core";
import type { StreamForm } from "./send-stream.ts";

const CONTENT_TYPE = "text/event-stream";
const RETRY_MS = 1_000;

export const EVENT_STREAM: StreamForm = {
  headers: { "Content-Type": CONTENT_TYPE, "Cache-Control": "no-store", "X-Accel-Buffering": "no" },
  opening: `retry: ${RETRY_MS}\n\n`,
  reply: (reply, json) => {
    const position = "position" in reply ? reply.position : undefined;
    // Without an id the last one stands: what has no position of its own cannot be gone on from
    return position === undefined ? `data: ${json}\n\n` : `id: ${position}\ndata: ${json}\n\n`;
  },
  error: (error) => `event: status\ndata: ${JSON.stringify(error)}\n\n`,
};

export const isResumable = ({ input, output }: DescMethod): boolean =>
  hasField(input, "since") && hasField(output, "position");

const hasField = (desc: DescMessage, name: string): boolean =>
  desc.fields.some((field) => field.name === name);

/** Only where it is named: whoever takes anything gets JSON, as from every other stream. */
export const acceptsEventStream = ({ headers }: IncomingMessage): boolean =>
  (headers.accept ?? "")
    .split(",")
    .some((part) => part.split(";", 1)[0]?.trim().toLowerCase() === CONTENT_TYPE);

/**
 * The same request, from where an earlier answer to it broke off. What that began with is not told again.
 * @throws FlintlockError `invalid_spec` – an id that is none of ours
 */
export const resumed = ({ headers }: IncomingMessage, method: DescMethod, message: Message): Message => {
  const id = headers["last-event-id"];
  if (id === undefined || id === "") return message;
  if (typeof id !== "string" || !/^\d{1,16}$/.test(id)) {
    throw invalidField("Last-Event-ID", "must be the position of an event");
  }
  return mergeFromJson(method.input, message, { since: id, snapshot: false });
};
