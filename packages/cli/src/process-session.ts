/**
 * A process of a guest at this process's standard streams. Bytes pass unchanged; a slow reader of our stdout slows
 * the guest down, and a guest that does not read stops our reading of stdin.
 */
import { create, type Duplex, ext } from "@flintlock/client";
import { CliError } from "./cli-error.ts";
import type { Context } from "./context.ts";
import type { HeldInput } from "./held-input.ts";
import { writeAll } from "./io.ts";
import { printable } from "./printable.ts";
import { pumpInput } from "./pump-input.ts";
import { enterRawMode, mayReadInput, onResize } from "./terminal.ts";

/** What a client may send once it has said what to start. */
export type ProcessInput = Exclude<ext.AttachRequest["payload"], { case: undefined } | { case: "start" }>;

/** What the calls for the main process and for another have in common. */
export interface ProcessCall extends Pick<Duplex<unknown, unknown>, "end" | "cancel"> {
  start(): Promise<void>;
  send(payload: ProcessInput): Promise<void>;
  readonly responses: AsyncIterable<{
    readonly payload: ext.AttachResponse["payload"] | ext.ExecResponse["payload"];
  }>;
}

export interface ProcessSessionOptions {
  /** For error texts */
  readonly target: string;
  /** Keys go to the guest as they are typed */
  readonly isTty: boolean;
  readonly hasInput: boolean;
  /** Keeps what was read of stdin until the session is known to stand */
  readonly held?: HeldInput | undefined;
}

/** After the exit code the daemon ends the call; one that does not is not waited for. */
const END_DEADLINE_MS = 1_000;

/** Returns the process's exit code. @throws ClientError, OutputClosed, or the signal's reason */
export const processSession = async (
  context: Context,
  call: ProcessCall,
  { target, isTty, hasInput, held }: ProcessSessionOptions,
): Promise<number> => {
  const { io, interrupts, signal } = context;
  const undo: (() => void)[] = [() => call.cancel()];
  const post = (payload: ProcessInput) => {
    // A write to a call that has ended is dropped; how it ended shows in `responses`.
    call.send(payload).catch(() => {});
  };
  let code: number | undefined;
  try {
    await call.start();
    undo.push(interrupts.takeOver((name) => post({ case: "signal", value: name })));
    if (isTty) {
      undo.push(enterRawMode(io));
      undo.push(
        onResize(io, (value) => post({ case: "resize", value: create(ext.TerminalSizeSchema, value) })),
      );
    }
    if (hasInput && mayReadInput(io)) {
      const sendInput = (bytes: Uint8Array) => {
        held?.add(bytes);
        return call.send({ case: "stdin", value: bytes });
      };
      undo.push(pumpInput(io.stdin, sendInput, () => post({ case: "stdinEof", value: true })));
    }
    for await (const { payload } of call.responses) {
      held?.release();
      if (payload.case === "stdout") await writeAll(io.stdout, payload.value, signal);
      else if (payload.case === "stderr") await writeAll(io.stderr, payload.value, signal);
      else if (payload.case === "error") {
        await writeAll(io.stderr, `flintlock: the guest says: ${printable(payload.value)}\n`, signal);
      } else if (payload.case === "exitCode") {
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
