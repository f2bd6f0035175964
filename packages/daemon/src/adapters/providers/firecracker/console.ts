/**
 * The serial console: Firecracker's own stdin and stdout. Stdin is a FIFO that Firecracker itself has open both ways, so
 * that it never sees an end; stdout is a file, of which a client gets what comes from now on.
 */
import { execFile } from "node:child_process";
import { close as closeFd, constants, open as openFd } from "node:fs";
import { type FileHandle, lstat, open, rm } from "node:fs/promises";
import { Socket } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { type ByteStream, FlintlockError, type MachineRef } from "@flintlock/core";
import { consoleTaken } from "../shared/console-taken.ts";
import { watchFile } from "../shared/file-changes.ts";
import { socketStream } from "../shared/socket-stream.ts";
import { CONSOLE_FILE, CONSOLE_INPUT } from "./files.ts";

const run = promisify(execFile);
/** Not a `FileHandle`, which would close it when it is collected */
const openDescriptor = promisify<string, number, number>(openFd);
const closeDescriptor = promisify(closeFd);
const CHUNK_BYTES = 64 * 1024;
/** Where no watch can be had, and how soon the VMM's end is noticed */
const POLL_MS = 200;
const MKFIFO_TIMEOUT_MS = 10_000;

/** Makes the FIFO exist. */
export const makeConsoleInput = async (directory: string): Promise<void> => {
  const path = join(directory, CONSOLE_INPUT);
  const found = await lstat(path).catch(() => undefined);
  if (found?.isFIFO() === true) return;
  await rm(path, { force: true });
  // Node cannot make one.
  await run("mkfifo", ["-m", "600", "--", path], { timeout: MKFIFO_TIMEOUT_MS });
};

/** Opens it for a VMM to inherit; whoever opens it closes it. */
export const openConsoleInput = async (directory: string): Promise<FileHandle> =>
  await open(join(directory, CONSOLE_INPUT), constants.O_RDWR | constants.O_NOFOLLOW);

export interface Consoles {
  /** @throws FlintlockError `failed_precondition` – another client has it; `unavailable` – no VMM */
  open(ref: MachineRef, signal: AbortSignal): Promise<ByteStream>;
}

export const createConsoles = (): Consoles => {
  const taken = new Set<string>();
  return {
    async open(ref, signal) {
      signal.throwIfAborted();
      if (taken.has(ref.uid)) throw consoleTaken();
      taken.add(ref.uid);
      try {
        const stream = await consoleStream(ref.directory);
        return {
          ...stream,
          [Symbol.asyncDispose]: async () => {
            taken.delete(ref.uid);
            await stream[Symbol.asyncDispose]();
          },
        };
      } catch (error) {
        taken.delete(ref.uid);
        throw error;
      }
    },
  };
};

const consoleStream = async (directory: string): Promise<ByteStream> => {
  const path = join(directory, CONSOLE_INPUT);
  // From before anything is typed: its echo belongs to this client.
  const output = await openOutput(directory);
  const { size } = await output.stat();
  const fd = await openForTyping(path).catch(async (error: unknown) => {
    await output.close();
    throw error;
  });
  const over = new AbortController();
  const close = (): void => over.abort(new Error("the console is closed"));
  // The socket owns the descriptor.
  const typed = new Socket({ fd, readable: false, writable: true });
  typed.once("close", close);
  const sink = socketStream(typed, { name: "the console", halfCloses: false });
  return {
    bytes: follow(directory, output, size, over.signal),
    write: (bytes) => sink.write(bytes),
    end: async () => {},
    [Symbol.asyncDispose]: async () => {
      close();
      await sink[Symbol.asyncDispose]();
    },
  };
};

/** What is written from `position` on, until the stream is closed or the VMM ends. */
const follow = async function* (
  directory: string,
  output: FileHandle,
  from: number,
  over: AbortSignal,
): AsyncGenerator<Uint8Array> {
  using changes = watchFile(directory, CONSOLE_FILE);
  let position = from;
  try {
    while (!over.aborted) {
      // Asked before the read: what a VMM wrote until its end is then read too.
      const isOver = !(await hasReader(join(directory, CONSOLE_INPUT)));
      for (;;) {
        const { size } = await output.stat();
        // Cut to its bounds (bounded-log.ts): what was between is gone.
        if (size < position) position = size;
        const { bytesRead, buffer } = await output.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, position);
        if (bytesRead === 0) break;
        position += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
      if (isOver) return;
      await changes.next(POLL_MS, over).catch(() => undefined); // Closed: the loop ends.
    }
  } finally {
    await output.close();
  }
};

const openOutput = async (directory: string): Promise<FileHandle> =>
  await open(join(directory, CONSOLE_FILE), constants.O_RDONLY | constants.O_NOFOLLOW).catch(
    (cause: unknown) => {
      throw noVmm(cause);
    },
  );

/** ENXIO: nobody has it open for reading, so there is no VMM (fifo(7)). */
const openForTyping = async (path: string): Promise<number> =>
  await openDescriptor(path, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW).catch(
    (cause: unknown) => {
      throw noVmm(cause);
    },
  );

const hasReader = async (path: string): Promise<boolean> => {
  try {
    await closeDescriptor(await openForTyping(path));
    return true;
  } catch {
    return false;
  }
};

const noVmm = (cause: unknown): FlintlockError =>
  new FlintlockError("unavailable", "the microVM's console is not there", { cause });
