/** The main process of a guest at this process's standard streams. */
import type { Client } from "@flintlock/client";
import type { Context } from "./context.ts";
import type { HeldInput } from "./held-input.ts";
import { type ProcessInput, processSession } from "./process-session.ts";
import { terminalSize } from "./terminal.ts";

export interface AttachOptions {
  readonly target: string;
  readonly namespace: string;
  /** The process has a terminal, and it is ours */
  readonly isTty: boolean;
  /** Keeps what was read of stdin until the session is known to stand */
  readonly held?: HeldInput;
}

/** Returns the process's exit code. @throws ClientError, OutputClosed, or the signal's reason */
export const attachSession = async (
  context: Context,
  client: Client,
  { target, namespace, isTty, held }: AttachOptions,
): Promise<number> => {
  const call = client.microvms.attach({ signal: context.signal });
  const size = isTty ? terminalSize(context.io) : undefined;
  const value = { target, namespace, ...(size === undefined ? {} : { terminal: size }) };
  const start = () => call.write({ payload: { case: "start", value } });
  const send = (payload: ProcessInput) => call.write({ payload });
  return processSession(context, { ...call, start, send }, { target, isTty, hasInput: true, held });
};
