import type { CopyIn, CopyOut } from "../domain/copy-rules.ts";
import type { ExecRequest, TerminalSize } from "../domain/exec-rules.ts";
import type { GuestStats } from "../domain/guest-stats.ts";
import type { ExecSession, ProcessSession } from "../usecases/api.ts";
import type { ByteStream } from "./provider.ts";

/** Guest port of the agent's control protocol (docs/guest-protocol.md). */
export const AGENT_PORT = 1024;
/** Guest port that leads to the guest's SSH server. */
export const SSH_PORT = 1025;

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
  /** Runs a command. The session owns `stream`; the agent ends the command when the stream ends first. */
  exec(stream: ByteStream, request: ExecRequest, signal: AbortSignal): Promise<ExecSession>;
  /**
   * Bytes to and from a TCP port of the guest's loopback, once it took the connection; each way ends by itself. The
   * result owns `stream`.
   * @throws FlintlockError `unavailable` – the port did not take it; `unsupported` – the agent cannot
   */
  forward(stream: ByteStream, port: number, signal: AbortSignal): Promise<ByteStream>;
  /**
   * What the agent says it adds to upstream's protocol, such as "tty" and "signal": empty for upstream's, which overlooks
   * them without a word. Closes `stream`.
   */
  extensions(stream: ByteStream, signal: AbortSignal): Promise<ReadonlySet<string>>;
  /**
   * Files of the guest as a tar stream, not to be believed. Owns `stream`.
   * @throws FlintlockError `not_found` – the guest has no such path; `failed_precondition` – the guest's own words;
   * `unsupported` – the agent cannot
   */
  copyOut(stream: ByteStream, request: CopyOut, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /**
   * A tar stream into a directory of the guest; all is written when it resolves. Owns `stream`.
   * @throws FlintlockError as `copyOut`
   */
  copyIn(
    stream: ByteStream,
    request: CopyIn,
    archive: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<void>;
  /**
   * What the guest says of itself. Owns `stream`, and closes it when the signal aborts.
   * @throws FlintlockError `unsupported` – the agent cannot; `unavailable` – its answer is none
   */
  stats(stream: ByteStream, signal: AbortSignal): Promise<GuestStats>;
}
