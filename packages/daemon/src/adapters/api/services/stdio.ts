/** The client's half of a process's stdio, as `Attach` and the two execs carry it. */
import { invalidField, type ProcessSession, type TerminalSize } from "@flintlock/core";

export interface StdioRequest {
  readonly payload:
    | { readonly case: "start"; readonly value: object }
    | { readonly case: "stdin"; readonly value: Uint8Array }
    | { readonly case: "stdinEof"; readonly value: boolean }
    | { readonly case: "resize"; readonly value: TerminalSize }
    | { readonly case: "signal"; readonly value: string }
    | { readonly case: undefined };
}

/** Kernel limit: `struct winsize` has 16-bit fields. */
const MAX_TERMINAL_CELLS = 65_535;

type StdioInput = Pick<ProcessSession<unknown>, "stdin" | "endStdin" | "resize" | "signal">;

/** The client's half-close is the process's end of file, once. */
export const feedStdio = async (
  session: StdioInput,
  requests: AsyncIterable<StdioRequest>,
): Promise<void> => {
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

/** @throws FlintlockError `invalid_spec` – larger than a terminal can be */
export const terminalSize = (field: string, { rows, columns }: TerminalSize): TerminalSize => {
  if (Math.max(rows, columns) > MAX_TERMINAL_CELLS) {
    throw invalidField(field, `rows and columns must be at most ${MAX_TERMINAL_CELLS}`);
  }
  return { rows, columns };
};
