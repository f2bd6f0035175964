import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { pipeline } from "node:stream";
import { FlintlockError } from "@flintlock/core";
import { Decompress } from "fzstd";

/** Largest window a frame may ask for: what `zstd --ultra -22` makes, and the default bound of the program. */
const MAX_WINDOW_LOG = 27;
const MAX_STDERR_CHARACTERS = 4096;

/**
 * Unpacks zstd with the `zstd` program, or without it in plain TypeScript at a third of the speed.
 *
 * Not with `node:zlib`, though Node has zstd since 22.15: it takes data that is cut short for complete, and drops
 * frames that follow in the same chunk (seen with 22.23). Layers in `zstd:chunked` form have many frames.
 * @throws FlintlockError `data_loss` – damaged or cut short
 */
export async function* unzstd(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const program = await startZstdProgram();
  yield* program === undefined ? unzstdInScript(source) : unzstdByProgram(source, program);
}

/** Undefined when this host has no such program. */
export const startZstdProgram = async (): Promise<ChildProcess | undefined> => {
  const args = ["--decompress", "--stdout", "--quiet", "--no-progress", `--memory=${2 ** MAX_WINDOW_LOG}`];
  const child = spawn("zstd", args, { stdio: ["pipe", "pipe", "pipe"] });
  try {
    await once(child, "spawn");
    return child;
  } catch {
    // Missing or not runnable: the caller has another way.
    return undefined;
  }
};

export async function* unzstdByProgram(
  source: AsyncIterable<Uint8Array>,
  program: ChildProcess,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { stdin, stdout, stderr } = program;
  if (stdin === null || stdout === null || stderr === null) throw new Error("zstd was started without pipes");
  const closed = new Promise<number | null>((resolve) => program.once("close", resolve));
  let words = "";
  stderr.on("data", (text: Buffer) => {
    if (words.length < MAX_STDERR_CHARACTERS) words += text.toString("latin1");
  });
  let sourceError: unknown;
  const watched = async function* () {
    try {
      yield* source;
    } catch (error) {
      sourceError = error;
      program.kill("SIGKILL");
      throw error;
    }
  };
  // A program that refuses its input closes stdin early; its exit status then says why.
  pipeline(watched, stdin, () => {});
  try {
    yield* stdout;
    const code = await closed;
    if (sourceError !== undefined) throw sourceError;
    if (code !== 0) throw damagedZstd(new Error(`zstd exited with ${code}: ${words.trim()}`));
  } finally {
    program.kill("SIGKILL");
    await closed;
  }
}

/** In this thread, without help. */
export async function* unzstdInScript(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const ready: Uint8Array[] = [];
  const stream = new Decompress((chunk) => ready.push(chunk));
  for await (const chunk of source) {
    pushInto(stream, chunk, false);
    yield* ready.splice(0);
  }
  pushInto(stream, new Uint8Array(0), true);
  yield* ready.splice(0);
}

const pushInto = (stream: Decompress, chunk: Uint8Array, isLast: boolean): void => {
  try {
    stream.push(chunk, isLast);
  } catch (error) {
    throw damagedZstd(error);
  }
};

const damagedZstd = (cause: unknown): FlintlockError =>
  new FlintlockError("data_loss", "zstd data: it is damaged or cut short", { cause });
