import { create } from "@bufbuild/protobuf";
import { ext } from "@flintlock/api";
import { type ByteStream, invalidField } from "@flintlock/core";
import { abortable } from "../abortable.ts";
import type { BidiHandler } from "../service.ts";
import { joined, splitFirst } from "./duplex.ts";
import { targetOf } from "./target.ts";

type Console = BidiHandler<typeof ext.ConsoleRequestSchema, typeof ext.ConsoleResponseSchema>;

export const consoleHandler: Console = async function* (requests, { signal, useCases: { microvms } }) {
  const { first, rest } = await splitFirst(abortable(requests, signal));
  if (first?.payload.case !== "start") throw invalidField("start", "must be the first message");
  await using stream = await microvms.console(targetOf(first.payload.value), signal);
  for await (const data of joined(signal, rest, (input) => feed(stream, input), stream.bytes)) {
    yield create(ext.ConsoleResponseSchema, { data });
  }
};

const feed = async (stream: ByteStream, requests: AsyncIterable<ext.ConsoleRequest>): Promise<void> => {
  for await (const { payload } of requests) {
    if (payload.case === "start") throw invalidField("start", "must be the first message only");
    if (payload.case === "data") await stream.write(payload.value);
  }
  await stream.end();
};
