import { create } from "@bufbuild/protobuf";
import { ext } from "@flintlock/api";
import { invalidField, type ProcessOutput } from "@flintlock/core";
import { abortable } from "../abortable.ts";
import type { BidiHandler } from "../service.ts";
import { joined, splitFirst } from "./duplex.ts";
import { feedStdio, terminalSize } from "./stdio.ts";
import { targetOf } from "./target.ts";

type Attach = BidiHandler<typeof ext.AttachRequestSchema, typeof ext.AttachResponseSchema>;

export const attachHandler: Attach = async function* (requests, { signal, useCases: { microvms } }) {
  const { first, rest } = await splitFirst(abortable(requests, signal));
  if (first?.payload.case !== "start") throw invalidField("start", "must be the first message");
  const start = first.payload.value;
  const terminal = start.terminal && terminalSize("start.terminal", start.terminal);
  await using session = await microvms.attach(targetOf(start), terminal, signal);
  for await (const output of joined(signal, rest, (input) => feedStdio(session, input), session.output)) {
    yield attachResponse(output);
  }
};

const attachResponse = (output: ProcessOutput): ext.AttachResponse =>
  create(ext.AttachResponseSchema, {
    payload:
      output.kind === "exit"
        ? { case: "exitCode", value: output.code }
        : { case: output.kind, value: output.bytes },
  });
