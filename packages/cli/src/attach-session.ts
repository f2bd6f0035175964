/**
 * The main process of a guest at this process's standard streams. Bytes pass unchanged; a slow reader of our
 * stdout slows the guest down, and a guest that does not read stops our reading of stdin.
 */
import { type Client, create, ext } from "@flintlock/client";
import { CliError } from "./cli-error.ts";
import type { Context } from "./context.ts";
import type { HeldInput } from "./held-input.ts";
import { writeAll } from "./io.ts";
import { pumpInput } from "./pump-input.ts";
import { enterRawMode, mayReadInput, onResize, terminalSize } from "./terminal.ts";

export interface AttachOptions {
  readonly target: string;
  readonly namespace: string;
  /** The process has a terminal, and it is ours */
  readonly isTty: boolean;
  /** Keeps what was read of stdin until the session is known to stand */
  readonly held?: HeldInput;
}

type Payload = Exclude<ext.AttachRequest["payload"], { case: undefined }>;

/** After the exit code the daemon ends the call; one that does not is not waited for. */
const END_DEADLINE_MS = 1_000;

/** Returns the process's exit code. @throws ClientError, OutputClosed, or the signal's reason */
export const attachSession = async (
  context: Context,
  client: Client,
  options: AttachOptions,
): Promise<number> => {
  const { io, interrupts, signal } = context;
  const { target, namespace, isTty, held } = options;
  const call = client.microvms.attach({ signal });
  const size = isTty ? terminalSize(io) : undefined;
  const undo: (() => void)[] = [() => call.cancel()];
  const send = (payload: Payload) => call.write({ payload });
  const post = (payload: Payload) => {
    // A write to a call that has ended is dropped; how it ended shows in `responses`.
    send(payload).catch(() => {});
  };
  let code: number | undefined;
  try {
    const start = { target, namespace, ...(size === undefined ? {} : { terminal: size }) };
    await call.write({ payload: { case: "start", value: start } });
    undo.push(interrupts.takeOver((name) => post({ case: "signal", value: name })));
    if (isTty) {
      undo.push(enterRawMode(io));
      undo.push(
        onResize(io, (value) => post({ case: "resize", value: create(ext.TerminalSizeSchema, value) })),
      );
    }
    if (mayReadInput(io)) {
      const sendInput = (bytes: Uint8Array) => {
        held?.add(bytes);
        return send({ case: "stdin", value: bytes });
      };
      undo.push(pumpInput(io.stdin, sendInput, () => post({ case: "stdinEof", value: true })));
    }
    for await (const { payload } of call.responses) {
      held?.release();
      if (payload.case === "stdout") await writeAll(io.stdout, payload.value, signal);
      else if (payload.case === "stderr") await writeAll(io.stderr, payload.value, signal);
      else if (payload.case === "exitCode") {
        code = payload.value;
        call.end();
        setTimeout(() => call.cancel(), END_DEADLINE_MS).unref();
      }
    }
  } catch (error) {
    if (code === undefined || signal.aborted) throw error;
  } finally {
    for (const step of undo.reverse()) step();
  }
  if (code !== undefined) return code;
  throw new CliError("unavailable", `the session with ${target} ended without an exit code`, {
    hint: "flintlock ls shows what became of it",
  });
};
