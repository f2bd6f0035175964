/**
 * Keeps a file that a guest or a VMM writes to from filling the disk: once it is larger than
 * `maxBytes` only its last `keepBytes` stay.
 *
 * The file is cut in place. Its writer has it open with O_APPEND, so its next write lands at the new
 * end. A writer that keeps an offset of its own goes on where it was: there what stays is put back in its old place,
 * behind a hole, and only what the file takes of the disk counts. What is written between our last look and our
 * truncating is lost: a console, not a ledger.
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { readAt } from "./file-bytes.ts";

export interface LogBounds {
  readonly maxBytes: number;
  /** At most `maxBytes` */
  readonly keepBytes: number;
  /** The writer does not append: it has an offset of its own */
  readonly hasOffset?: boolean;
}

/** st_blocks, whatever the file system's own block size is: inode(7) */
const BLOCK_BYTES = 512;

export const DEFAULT_LOG_BOUNDS: LogBounds = { maxBytes: 8 * 1024 * 1024, keepBytes: 1024 * 1024 };

/**
 * Resolves to the bytes that a cut took from the file's beginning, 0 when what stays kept its place, or undefined when it
 * was not cut. `beforeCut` is waited for. A missing file is left missing.
 */
export const boundLog = async (
  path: string,
  bounds: LogBounds = DEFAULT_LOG_BOUNDS,
  beforeCut: () => Promise<void> = async () => {},
): Promise<number | undefined> => {
  const file = await openExisting(path);
  if (file === undefined) return undefined;
  try {
    const { size, blocks } = await file.stat();
    const taken = bounds.hasOffset === true ? blocks * BLOCK_BYTES : size;
    if (taken <= bounds.maxBytes) return undefined;
    await beforeCut();
    const tail = fromLineStart(await readAt(file, size - bounds.keepBytes, bounds.keepBytes));
    if (bounds.hasOffset === true) {
      await file.truncate(0);
      await file.write(tail, 0, tail.length, size - tail.length);
      return 0;
    }
    await file.write(tail, 0, tail.length, 0);
    const late = await readAt(file, size, (await file.stat()).size - size);
    await file.write(late, 0, late.length, tail.length);
    await file.truncate(tail.length + late.length);
    return size - tail.length;
  } finally {
    await file.close();
  }
};

/** The last `maxBytes` of a file as text, from a line's start; empty when there is none. `from` skips older bytes. */
export const readTail = async (path: string, maxBytes: number, from = 0): Promise<string> => {
  const file = await openExisting(path);
  if (file === undefined) return "";
  try {
    const { size } = await file.stat();
    const start = Math.max(from > size ? 0 : from, size - maxBytes);
    const bytes = await readAt(file, start, maxBytes);
    return (start > from ? fromLineStart(bytes) : bytes).toString("utf8");
  } finally {
    await file.close();
  }
};

const openExisting = async (path: string): Promise<FileHandle | undefined> => {
  try {
    return await open(path, constants.O_RDWR | constants.O_NOFOLLOW);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
};

const fromLineStart = (bytes: Buffer): Buffer => {
  const newline = bytes.indexOf(0x0a);
  return newline === -1 ? bytes : bytes.subarray(newline + 1);
};
