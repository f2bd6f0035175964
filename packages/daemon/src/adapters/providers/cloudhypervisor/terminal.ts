/** Our end of a pseudo terminal: everything it says goes to a file, and to one client while there is one. */
import { closeSync, constants, createWriteStream, openSync } from "node:fs";
import { PassThrough } from "node:stream";
import { isatty, ReadStream } from "node:tty";
import { type ByteStream, FlintlockError } from "@flintlock/core";
import { consoleTaken } from "../shared/console-taken.ts";

/** A client that lags behind this far is cut off: neither the log nor the guest waits for it */
const MAX_LAG_BYTES = 1024 * 1024;

export interface Terminal {
  /** Whether there is still somebody at the other end */
  readonly isOpen: boolean;
  /** @throws FlintlockError `failed_precondition` – another client has it */
  attach(): ByteStream;
  close(): void;
}

/**
 * Opens the terminal at `path` and appends what it says to `logPath`.
 * @throws FlintlockError `unavailable` – it is gone, or no terminal
 */
export const openTerminal = (path: string, logPath: string): Terminal => {
  const tty = new ReadStream(openTty(path));
  const log = createWriteStream(logPath, { flags: "a", mode: 0o600 });
  let client: PassThrough | undefined;
  let isOpen = true;

  const close = (): void => {
    if (!isOpen) return;
    isOpen = false;
    tty.destroy();
    log.end();
    client?.end();
  };
  tty.on("data", (chunk: Buffer) => {
    if (!log.write(chunk)) {
      tty.pause();
      log.once("drain", () => tty.resume());
    }
    if (client === undefined) return;
    if (client.writableLength + client.readableLength > MAX_LAG_BYTES) client.destroy(lagging());
    else client.write(chunk);
  });
  // EIO: the VMM has let go of it. A disk that is full ends the log, and the guest goes on.
  for (const stream of [tty, log]) stream.once("error", close).once("close", close);

  return {
    get isOpen() {
      return isOpen;
    },
    attach() {
      if (client !== undefined) throw consoleTaken();
      const output = new PassThrough();
      client = output;
      output.once("close", () => {
        if (client === output) client = undefined;
      });
      return streamOf(output, (bytes) => written(tty, isOpen, bytes));
    },
    close,
  };
};

const streamOf = (output: PassThrough, write: (bytes: Uint8Array) => Promise<void>): ByteStream => {
  // Between two reads nobody listens.
  output.on("error", () => undefined);
  return {
    bytes: output as AsyncIterable<Uint8Array>,
    write: async (bytes) => {
      if (output.destroyed) throw gone();
      await write(bytes);
    },
    // A terminal has no end of file.
    end: async () => {},
    [Symbol.asyncDispose]: async () => void output.destroy(),
  };
};

const written = async (tty: ReadStream, isOpen: boolean, bytes: Uint8Array): Promise<void> => {
  if (!isOpen) throw gone();
  await new Promise<void>((resolve, reject) =>
    tty.write(bytes, (cause) => (cause ? reject(gone(cause)) : resolve())),
  );
};

const openTty = (path: string): number => {
  try {
    const fd = openSync(path, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
    if (isatty(fd)) return fd;
    closeSync(fd);
  } catch (cause) {
    throw gone(cause);
  }
  throw gone();
};

const gone = (cause?: unknown): FlintlockError =>
  new FlintlockError("unavailable", "the console is no longer connected", { cause });

const lagging = (): FlintlockError =>
  new FlintlockError("unavailable", "the console said more than its client took", {
    hint: "All of it is in the logs.",
  });
