/** `flintlock.v1.MicroVMs/CopyOut` and `CopyIn`: tar streams from a guest and to it, not looked into. */
import { create } from "@bufbuild/protobuf";
import { ext } from "@flintlock/api";
import { invalidField } from "@flintlock/core";
import { abortable } from "../abortable.ts";
import type { BidiHandler, ServerStreamHandler } from "../service.ts";
import { splitFirst } from "./duplex.ts";
import { targetOf } from "./target.ts";

type CopyOut = ServerStreamHandler<typeof ext.CopyOutRequestSchema, typeof ext.CopyOutResponseSchema>;
type CopyIn = BidiHandler<typeof ext.CopyInRequestSchema, typeof ext.CopyInResponseSchema>;

export const copyOutHandler: CopyOut = async function* (request, { signal, useCases: { microvms } }) {
  const { path, followLink: followsLink, headerOnly: isHeaderOnly } = request;
  const wanted = { path, followsLink, isHeaderOnly };
  for await (const data of microvms.copyOut(targetOf(request), wanted, signal)) {
    yield create(ext.CopyOutResponseSchema, { data });
  }
};

export const copyInHandler: CopyIn = async function* (requests, { signal, useCases: { microvms } }) {
  const { first, rest } = await splitFirst(abortable(requests, signal));
  if (first?.payload.case !== "start") throw invalidField("start", "must be the first message");
  const { path, keepOwners: keepsOwners, ...start } = first.payload.value;
  await microvms.copyIn(targetOf(start), { path, keepsOwners }, archiveOf(rest), signal);
  yield create(ext.CopyInResponseSchema);
};

const archiveOf = async function* (requests: AsyncIterable<ext.CopyInRequest>): AsyncGenerator<Uint8Array> {
  for await (const { payload } of requests) {
    if (payload.case === "start") throw invalidField("start", "must be the first message only");
    if (payload.case === "data") yield payload.value;
  }
};
