/** `flintlock.v1.MicroVMs/Exec`: a command in a guest, with a terminal if wanted. */
import { create } from "@bufbuild/protobuf";
import { ext } from "@flintlock/api";
import { invalidField } from "@flintlock/core";
import { abortable } from "../abortable.ts";
import { execInputOf } from "../convert/exec-input.ts";
import { execPayload } from "../convert/exec-payload.ts";
import type { BidiHandler } from "../service.ts";
import { joined, splitFirst } from "./duplex.ts";
import { feedStdio, terminalSize } from "./stdio.ts";
import { targetOf } from "./target.ts";

type Exec = BidiHandler<typeof ext.ExecRequestSchema, typeof ext.ExecResponseSchema>;

export const execHandler: Exec = async function* (requests, { signal, useCases: { microvms } }) {
  const { first, rest } = await splitFirst(abortable(requests, signal));
  if (first?.payload.case !== "start") throw invalidField("start", "must be the first message");
  const start = first.payload.value;
  const terminal = start.terminal && terminalSize("start.terminal", start.terminal);
  await using session = await microvms.exec(targetOf(start), execInputOf(start, terminal), signal);
  for await (const output of joined(signal, rest, (input) => feedStdio(session, input), session.output)) {
    yield create(ext.ExecResponseSchema, { payload: execPayload(output) });
  }
};
