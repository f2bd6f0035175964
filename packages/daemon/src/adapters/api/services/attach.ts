import { create } from "@bufbuild/protobuf";
import { ext } from "@flintlock/api";
import { invalidField, type ProcessOutput, type ProcessSession, type TerminalSize } from "@flintlock/core";
import { abortable } from "../abortable.ts";
import type { BidiHandler } from "../service.ts";
import { joined, splitFirst } from "./duplex.ts";
import { targetOf } from "./target.ts";

type Attach = BidiHandler<typeof ext.AttachRequestSchema, typeof ext.AttachResponseSchema>;

/** Kernel limit: `struct winsize` has 16-bit fields. */
const MAX_TERMINAL_CELLS = 65_535;

export const attachHandler: Attach = async function* (requests, { signal, useCases: { microvms } }) {
  const { first, rest } = await splitFirst(abortable(requests, signal));
  if (first?.payload.case !== "start") throw invalidField("start", "must be the first message");
  const start = first.payload.value;
  const terminal = start.terminal && terminalSize("start.terminal", start.terminal);
  await using session = await microvms.attach(targetOf(start), terminal, signal);
  for await (const output of joined(signal, rest, (input) => feed(session, input), session.output)) {
    yield attachResponse(output);
  }
};

/** The client's half-close is the process's end of file, once. */
const feed = async (session: ProcessSession, requests: AsyncIterable<ext.AttachRequest>): Promise<void> => {
  let isEnded = false;
  for await (const { payload } of requests) {
    switch (payload.case) {
      case "start":
        throw invalidField("start", "must be the first message only");
      case "stdin":
        if (isEnded) throw invalidField("stdin", "follows stdin_eof");
        await session.stdin(payload.value);
        break;
      case "stdinEof":
        if (payload.value && !isEnded) await session.endStdin();
        isEnded ||= payload.value;
        break;
      case "resize":
        await session.resize(terminalSize("resize", payload.value));
        break;
      case "signal":
        await session.signal(payload.value);
        break;
      case undefined:
        // A payload of a newer client
        break;
    }
  }
  if (!isEnded) await session.endStdin();
};

const terminalSize = (field: string, { rows, columns }: ext.TerminalSize): TerminalSize => {
  if (Math.max(rows, columns) > MAX_TERMINAL_CELLS) {
    throw invalidField(field, `rows and columns must be at most ${MAX_TERMINAL_CELLS}`);
  }
  return { rows, columns };
};

const attachResponse = (output: ProcessOutput): ext.AttachResponse =>
  create(ext.AttachResponseSchema, {
    payload:
      output.kind === "exit"
        ? { case: "exitCode", value: output.code }
        : { case: output.kind, value: output.bytes },
  });
