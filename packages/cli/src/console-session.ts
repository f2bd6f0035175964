/** A serial console at this terminal. `Ctrl-]` leaves it; the guest does not notice. */
import type { Client } from "@flintlock/client";
import type { Context } from "./context.ts";
import { writeAll } from "./io.ts";
import { pumpInput } from "./pump-input.ts";
import { enterRawMode, isInteractive, mayReadInput } from "./terminal.ts";

/** Ctrl-] as telnet has it */
const ESCAPE = 0x1d;

/** How it ended: the user left, or the console did. */
export type ConsoleEnd = "left" | "closed";

export interface ConsoleOptions {
  readonly target: string;
  readonly namespace: string;
  /** For the user to read; the target when absent */
  readonly title?: string;
  /** Sent before anything is read */
  readonly firstInput?: readonly Uint8Array[];
}

/** @throws ClientError `failed_precondition` – somebody else has it; OutputClosed; the signal's reason */
export const consoleSession = async (
  context: Context,
  client: Client,
  { target, namespace, title = target, firstInput = [] }: ConsoleOptions,
): Promise<ConsoleEnd> => {
  const { io, signal } = context;
  const leave = new AbortController();
  const call = client.microvms.console({ signal: AbortSignal.any([signal, leave.signal]) });
  const undo: (() => void)[] = [];
  const isRaw = isInteractive(io);
  try {
    await call.write({ payload: { case: "start", value: { target, namespace } } });
    if (isRaw) {
      context.note(`console of ${title}; Ctrl-] leaves it`);
      undo.push(enterRawMode(io));
    }
    const send = async (bytes: Uint8Array) => {
      const at = isRaw ? bytes.indexOf(ESCAPE) : -1;
      const data = at < 0 ? bytes : bytes.subarray(0, at);
      if (data.length > 0) await call.write({ payload: { case: "data", value: data } });
      if (at >= 0) leave.abort();
    };
    for (const bytes of firstInput) await send(bytes);
    // The end of piped input is not the end of the console: what the guest answers is still wanted.
    if (mayReadInput(io)) undo.push(pumpInput(io.stdin, send, () => {}));
    for await (const { data } of call.responses) await writeAll(io.stdout, data, signal);
    return "closed";
  } catch (error) {
    if (leave.signal.aborted && !signal.aborted) return "left";
    throw error;
  } finally {
    for (const step of undo.reverse()) step();
    if (isRaw) io.stdout.write("\r\n");
    call.cancel();
  }
};
