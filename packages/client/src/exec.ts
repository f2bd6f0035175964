/** Commands in a guest: to their end, or as streams. */
import type { Readable } from "node:stream";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ext } from "@flintlock/api";
import { ClientError } from "./client-error.ts";
import { refuseUnknown } from "./create-options.ts";
import type { Abortable, DaemonLink } from "./daemon-link.ts";
import { GuestProcess, type ProcessInput } from "./guest-process.ts";

/** A program and its arguments, or a line for `sh -c` */
export type Command = string | readonly string[];

export interface SpawnOptions extends Abortable {
  /** Added to the main process's own */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Made when missing; the main process's when absent */
  readonly cwd?: string | undefined;
  /** `user` or `user:group` in the guest; root when absent */
  readonly user?: string | undefined;
  /** The process is ended when they have passed, and the call throws `deadline_exceeded` */
  readonly timeoutMs?: number | undefined;
  /** Gives it a terminal: all output is stdout then */
  readonly tty?: boolean | { readonly rows: number; readonly columns: number } | undefined;
}

export type ExecInput =
  | string
  | Uint8Array
  | AsyncIterable<string | Uint8Array>
  | Iterable<string | Uint8Array>;

export interface ExecOptions extends SpawnOptions {
  /** What the command reads; nothing when absent */
  readonly stdin?: ExecInput | undefined;
  /** "bytes" for output that is no text */
  readonly encoding?: "utf8" | "bytes" | undefined;
  /** Of stdout and stderr together, 64 MiB when absent; more is `exhausted`: `spawn` has streams */
  readonly maxOutputBytes?: number | undefined;
}

export interface ExecResult<Output = string> {
  readonly stdout: Output;
  readonly stderr: Output;
  /** 128 and the signal's number where one ended it */
  readonly exitCode: number;
}

const SPAWN_NAMES = ["env", "cwd", "user", "timeoutMs", "tty", "signal"];
const EXEC_NAMES = [...SPAWN_NAMES, "stdin", "encoding", "maxOutputBytes"];
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;
const USUAL_SIZE = { rows: 24, columns: 80 };

/** @throws ClientError */
export const spawnIn = async (
  link: DaemonLink,
  target: string,
  command: Command,
  options: SpawnOptions,
): Promise<GuestProcess> => {
  refuseUnknown(options, SPAWN_NAMES);
  return start(link, target, command, options, true);
};

/** @throws ClientError; a command that fails is no error */
export const execIn = async (
  link: DaemonLink,
  target: string,
  command: Command,
  options: ExecOptions,
): Promise<ExecResult | ExecResult<Uint8Array>> => {
  refuseUnknown(options, EXEC_NAMES);
  const { stdin, encoding = "utf8", maxOutputBytes = MAX_OUTPUT_BYTES } = options;
  const process = await start(link, target, command, options, stdin !== undefined);
  const room = { left: maxOutputBytes };
  try {
    const input = stdin === undefined ? undefined : feed(process, stdin);
    const [stdout, stderr, exitCode] = await Promise.all([
      collect(process.stdout, room),
      collect(process.stderr, room),
      process.exitCode,
      // Not to be waited for: what gives the input may give it for ever.
      input && Promise.race([input, process.exitCode]),
    ]);
    if (encoding === "bytes") return { stdout, stderr, exitCode };
    return { stdout: stdout.toString("utf8"), stderr: stderr.toString("utf8"), exitCode };
  } catch (error) {
    await process[Symbol.asyncDispose]();
    throw error;
  }
};

const start = async (
  link: DaemonLink,
  target: string,
  command: Command,
  options: SpawnOptions,
  hasStdin: boolean,
): Promise<GuestProcess> => {
  const { timeoutMs, signal, tty = false } = options;
  const limit = timeoutMs === undefined ? [] : [AbortSignal.timeout(timeoutMs)];
  const either = AbortSignal.any([...(signal === undefined ? [] : [signal]), ...limit]);
  const terminal = tty === true ? USUAL_SIZE : tty === false ? undefined : tty;
  const value: MessageInitShape<typeof ext.ExecStartSchema> = {
    target,
    ...wordsOf(command),
    env: { ...options.env },
    cwd: options.cwd ?? "",
    user: options.user ?? "",
    hasStdin,
    ...(terminal === undefined ? {} : { terminal: { ...terminal } }),
  };
  // Sent once: whether a command that is cut off has run is not known.
  const client = await link.ready({ signal: either });
  const call = client.microvms.exec({ signal: either });
  await call.write({ payload: { case: "start", value } });
  return new GuestProcess({ ...call, send: (payload: ProcessInput) => call.write({ payload }) });
};

const wordsOf = (
  command: Command,
): Pick<MessageInitShape<typeof ext.ExecStartSchema>, "cmd" | "args" | "shell"> => {
  if (typeof command === "string") return { cmd: command, shell: true };
  const [cmd = "", ...args] = command;
  return { cmd, args };
};

/** A command that ends without reading all of it is none of our business. */
const feed = async (process: GuestProcess, input: ExecInput): Promise<void> => {
  const { stdin } = process;
  const chunks = typeof input === "string" || input instanceof Uint8Array ? [input] : input;
  for await (const chunk of chunks) {
    if (stdin.destroyed) return;
    if (!stdin.write(chunk)) await drained(stdin);
  }
  stdin.end();
};

const drained = (stdin: GuestProcess["stdin"]): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      stdin.off("drain", done).off("close", done);
      resolve();
    };
    stdin.once("drain", done).once("close", done);
  });

const collect = async (output: Readable, room: { left: number }): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of output) {
    room.left -= chunk.length;
    if (room.left < 0) {
      throw new ClientError("exhausted", "the command wrote more than maxOutputBytes", {
        field: "maxOutputBytes",
        hint: "take it as a stream, with spawn",
      });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
};
