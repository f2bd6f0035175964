import type { ProcessSession, TerminalSize } from "../usecases/api.ts";
import type { ByteStream } from "./provider.ts";

/** Guest port of the agent's control protocol (docs/guest-protocol.md). */
export const AGENT_PORT = 1024;

/** Speaks the agent's protocol over a stream to `AGENT_PORT`. */
export interface GuestSessions {
  /**
   * Joins the main process's stdio.
   * @throws FlintlockError `failed_precondition` – the guest runs its own init, or was not started for attaching
   */
  attach(
    stream: ByteStream,
    terminal: TerminalSize | undefined,
    signal: AbortSignal,
  ): Promise<ProcessSession>;
}
