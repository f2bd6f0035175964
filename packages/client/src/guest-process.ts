/**
 * A process of a guest, at the streams of Node. A reader that is slow slows the process down; a process that does not
 * read its input makes `stdin` wait.
 */
import { Readable, Writable } from "node:stream";
import type { ext } from "@flintlock/api";
import { ClientError } from "./client-error.ts";

/** What a client may send once it has said what to start. */
export type ProcessInput = Exclude<ext.AttachRequest["payload"], { case: undefined } | { case: "start" }>;

/** What the calls for the main process and for another have in common. */
export interface ProcessCall {
  send(payload: ProcessInput): Promise<void>;
  end(): void;
  cancel(): void;
  readonly responses: AsyncIterable<{
    readonly payload: ext.AttachResponse["payload"] | ext.ExecResponse["payload"];
  }>;
}

/** Small enough for a frame to the guest, large enough to fill the pipe. */
const MAX_CHUNK_BYTES = 32 * 1024;
/** Of each output stream, before the guest is slowed down */
const HIGH_WATER_BYTES = 64 * 1024;
/** After the exit code the daemon ends the call; one that does not is not waited for. */
const END_DEADLINE_MS = 1_000;

export class GuestProcess implements AsyncDisposable {
  /** `end()` it: many programs wait for that */
  readonly stdin: Writable;
  /** Read it, or `resume()` it: what nobody takes stops the process in the end. The same for `stderr`. */
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Resolves once the process has ended; 128 and the signal's number where one ended it. Rejects with ClientError. */
  readonly exitCode: Promise<number>;
  readonly #call: ProcessCall;

  /** @internal */
  constructor(call: ProcessCall) {
    this.#call = call;
    this.stdin = inputOf(call);
    this.stdout = outputOf();
    this.stderr = outputOf();
    this.exitCode = this.#run();
    // Who wants to know asks; who does not is no reason to end the program.
    this.exitCode.catch(() => {});
  }

  /** Sends a signal such as "TERM" or "INT". */
  async kill(signal = "TERM"): Promise<void> {
    await this.#call.send({ case: "signal", value: signal.replace(/^SIG/, "") });
  }

  /** Of its terminal, where it has one. */
  async resize(rows: number, columns: number): Promise<void> {
    await this.#call.send({
      case: "resize",
      value: { $typeName: "flintlock.v1.TerminalSize", rows, columns },
    });
  }

  /** Ends it: TERM, and KILL two seconds later. A main process that was attached to goes on. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#call.cancel();
    await this.exitCode.catch(() => {});
  }

  async #run(): Promise<number> {
    let code: number | undefined;
    let failure: unknown;
    try {
      for await (const { payload } of this.#call.responses) {
        if (payload.case === "stdout") await push(this.stdout, payload.value);
        else if (payload.case === "stderr") await push(this.stderr, payload.value);
        else if (payload.case === "error") await push(this.stderr, Buffer.from(`${payload.value}\n`));
        else if (payload.case === "exitCode") {
          code = payload.value;
          this.#call.end();
          setTimeout(() => this.#call.cancel(), END_DEADLINE_MS).unref();
        }
      }
    } catch (error) {
      failure = error;
    }
    this.stdin.destroy();
    for (const output of [this.stdout, this.stderr]) {
      if (code !== undefined) output.push(null);
      else output.destroy(failure instanceof Error ? failure : noExitCode());
    }
    if (code !== undefined) return code;
    throw failure ?? noExitCode();
  }
}

const noExitCode = (): ClientError =>
  new ClientError("unavailable", "the session with the guest ended without an exit code");

const inputOf = (call: ProcessCall): Writable =>
  quiet(
    new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        sendAll(call, chunk).then(() => done(), done);
      },
      final: (done) => {
        call.send({ case: "stdinEof", value: true }).then(() => done(), done);
      },
    }),
  );

const sendAll = async (call: ProcessCall, bytes: Buffer): Promise<void> => {
  for (let at = 0; at < bytes.length; at += MAX_CHUNK_BYTES) {
    await call.send({ case: "stdin", value: bytes.subarray(at, at + MAX_CHUNK_BYTES) });
  }
};

const outputOf = (): Readable =>
  quiet(
    new Readable({
      highWaterMark: HIGH_WATER_BYTES,
      read(): void {
        this.emit("wanted");
      },
    }),
  );

/** Resolves when there is room for more, or nobody reads any longer. */
const push = async (output: Readable, bytes: Uint8Array): Promise<void> => {
  if (output.destroyed || output.push(bytes)) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      output.off("wanted", done).off("close", done);
      resolve();
    };
    output.once("wanted", done).once("close", done);
  });
};

/** How a stream ended shows in `exitCode` and to whoever reads it; unheard it would end the program. */
const quiet = <S extends Readable | Writable>(stream: S): S => {
  stream.on("error", () => {});
  return stream;
};
