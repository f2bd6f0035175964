/** Reads a VM's logs from its directory, several of them in the order in which their bytes came. */
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { LogPiece, LogReader, LogSource } from "@flintlock/core";
import { createLogFile, type LogBytes, type LogFile } from "./log-file.ts";
import { statusLines } from "./status-lines.ts";

const POLL_MS = 150;

interface Reader {
  readonly source: LogSource;
  readonly file: LogFile;
  /** What of the file is the source's; may keep some for the next bytes */
  readonly pick: (bytes: Uint8Array) => Uint8Array;
}

const readerOf = (directory: string, source: LogSource): Reader => {
  const path = (name: string): string => join(directory, name);
  const all = (bytes: Uint8Array): Uint8Array => bytes;
  if (source === "console") return { source, file: createLogFile(path("console.log"), false), pick: all };
  if (source === "vmm") return { source, file: createLogFile(path("vmm.log"), false), pick: all };
  return { source, file: createLogFile(path("status.log"), true), pick: statusLines(source) };
};

export const logReader: LogReader = {
  async *read(directory, { sources, tail, since, follow }, isOver, signal) {
    const readers = sources.map((source) => readerOf(directory, source));
    for (const { file } of readers) await file.seek(tail, since);
    for (;;) {
      // Asked before the read: what was written until the end is then read too.
      const wasOver = isOver();
      for await (const piece of inOrder(readers)) {
        signal.throwIfAborted();
        yield piece;
      }
      if (!follow || wasOver) return;
      await setTimeout(POLL_MS, undefined, { signal });
    }
  },
};

/** What is unread of all of them, the oldest first. */
const inOrder = async function* (readers: readonly Reader[]): AsyncGenerator<LogPiece> {
  const next = async (reader: Reader, bytes: AsyncGenerator<LogBytes>) => {
    const { value, done } = await bytes.next();
    return done ? undefined : { reader, bytes, value };
  };
  const waiting = await Promise.all(readers.map((reader) => next(reader, reader.file.unread())));
  for (;;) {
    const heads = waiting.filter((each) => each !== undefined);
    const [first] = heads.toSorted((a, b) => a.value.at - b.value.at);
    if (first === undefined) return;
    const bytes = first.reader.pick(first.value.bytes);
    if (bytes.length > 0) yield { source: first.reader.source, bytes };
    waiting[waiting.indexOf(first)] = await next(first.reader, first.bytes);
  }
};
