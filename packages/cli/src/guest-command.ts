/** A command of ours in a guest, at our standard streams: what `exec` and `shell` share. */
import type { Context } from "./context.ts";
import { parseEnv } from "./parse-flags.ts";
import { type ProcessInput, processSession } from "./process-session.ts";
import { isInteractive, terminalSize } from "./terminal.ts";

export interface GuestCommand {
  readonly target: string;
  readonly words: readonly [string, ...string[]];
  readonly env?: readonly string[] | undefined;
  readonly cwd?: string | undefined;
  readonly user?: string | undefined;
  /** When absent: as we have one */
  readonly tty?: boolean | undefined;
  readonly hasInput: boolean;
}

/** For a terminal that is asked for where we have none */
const USUAL_SIZE = { rows: 24, columns: 80 };

/** Returns the command's exit code. @throws what `processSession` throws */
export const runGuestCommand = async (context: Context, asked: GuestCommand): Promise<number> => {
  const { io, globals, signal } = context;
  const { target, hasInput } = asked;
  const [cmd, ...args] = asked.words;
  const hasTerminal = isInteractive(io);
  const wantsTty = asked.tty ?? hasTerminal;
  const value = {
    target,
    namespace: globals.namespace,
    cmd,
    args,
    env: parseEnv(asked.env ?? [], io.env),
    cwd: asked.cwd ?? "",
    user: asked.user ?? "",
    hasStdin: hasInput,
    ...(wantsTty ? { terminal: terminalSize(io) ?? USUAL_SIZE } : {}),
  };
  const call = (await context.connect()).microvms.exec({ signal });
  const start = () => call.write({ payload: { case: "start", value } });
  const send = (payload: ProcessInput) => call.write({ payload });
  return processSession(
    context,
    { ...call, start, send },
    { target, isTty: wantsTty && hasTerminal, hasInput },
  );
};
