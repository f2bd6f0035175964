/** `flintlock.v1.MicroVMs/Forward`: a connection to a port in a guest; each way ends by itself. */
import { create } from "@bufbuild/protobuf";
import { ext } from "@flintlock/api";
import { type ByteStream, invalidField } from "@flintlock/core";
import { abortable } from "../abortable.ts";
import type { BidiHandler } from "../service.ts";
import { joined, splitFirst } from "./duplex.ts";
import { targetOf } from "./target.ts";

type Forward = BidiHandler<typeof ext.ForwardRequestSchema, typeof ext.ForwardResponseSchema>;
type Payload = ext.ForwardResponse["payload"];

export const forwardHandler: Forward = async function* (requests, { signal, useCases: { microvms } }) {
  const { first, rest } = await splitFirst(abortable(requests, signal));
  if (first?.payload.case !== "start") throw invalidField("start", "must be the first message");
  const { port, ...start } = first.payload.value;
  await using stream = await microvms.forward(targetOf(start), port, signal);
  let inputOver = (): void => undefined;
  const isInputOver = new Promise<void>((resolve) => {
    inputOver = resolve;
  });
  const feedAll = async (more: AsyncIterable<ext.ForwardRequest>): Promise<void> => {
    await feed(stream, more);
    inputOver();
  };
  for await (const payload of joined(signal, rest, feedAll, payloads(stream, isInputOver))) {
    yield create(ext.ForwardResponseSchema, { payload });
  }
};

const payloads = async function* (stream: ByteStream, isInputOver: Promise<void>): AsyncGenerator<Payload> {
  yield { case: "connected", value: true };
  for await (const value of stream.bytes) yield { case: "data", value };
  yield { case: "eof", value: true };
  await isInputOver;
};

/** The client's half-close is an end of file as well. */
const feed = async (stream: ByteStream, requests: AsyncIterable<ext.ForwardRequest>): Promise<void> => {
  for await (const { payload } of requests) {
    if (payload.case === "start") throw invalidField("start", "must be the first message only");
    if (payload.case === "data") await stream.write(payload.value);
    if (payload.case === "eof" && payload.value) break;
  }
  await stream.end();
};
