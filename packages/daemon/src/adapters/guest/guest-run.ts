/** A short command in a guest, run by its agent for an answer of our own: its output is bounded, and not to be believed. */
import { AGENT_PORT, type ExecRequest, FlintlockError, type OpenGuestPort } from "@flintlock/core";
import { exec } from "./agent.ts";

/** What is kept of each output's beginning; more is read, so that the command can end, and dropped */
const MAX_KEPT_BYTES = 64 * 1024;
/** Of both together; a command that says more is ended: it would only keep the daemon busy */
const MAX_OUTPUT_BYTES = 1024 * 1024;

export interface GuestRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The agent could not run it, in its words */
  readonly error: string | undefined;
}

type Command = Pick<ExecRequest, "cmd"> & Partial<ExecRequest>;

export const runInGuest = async (
  open: OpenGuestPort,
  command: Command,
  signal: AbortSignal,
): Promise<GuestRun> => {
  const request: ExecRequest = { ...DEFAULTS, ...command };
  await using session = await exec(await open(AGENT_PORT, signal), request, signal);
  const onAbort = (): void => void session[Symbol.asyncDispose]();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const kept = { stdout: new Kept(), stderr: new Kept() };
    let error: string | undefined;
    let left = MAX_OUTPUT_BYTES;
    for await (const output of session.output) {
      if (output.kind === "exit") {
        return { code: output.code, stdout: kept.stdout.text, stderr: kept.stderr.text, error };
      }
      if (output.kind === "error") {
        error = output.message;
        continue;
      }
      kept[output.kind].add(output.bytes);
      left -= output.bytes.length;
      if (left < 0) throw new FlintlockError("unavailable", "the command says more than 1 MiB");
    }
    throw new Error("unreachable: a session ends with an exit, or throws");
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
};

const DEFAULTS: Omit<ExecRequest, "cmd"> = {
  args: [],
  cwd: undefined,
  env: {},
  isShell: false,
  user: undefined,
  timeoutSeconds: 0,
  hasStdin: false,
  terminal: undefined,
};

class Kept {
  readonly #chunks: Uint8Array[] = [];
  #left = MAX_KEPT_BYTES;

  add(bytes: Uint8Array): void {
    if (this.#left === 0) return;
    const piece = Uint8Array.from(bytes.subarray(0, this.#left));
    this.#left -= piece.length;
    this.#chunks.push(piece);
  }

  get text(): string {
    return Buffer.concat(this.#chunks).toString("utf8");
  }
}
