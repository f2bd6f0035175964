/**
 * Reads a VM's logs from its directory; they are rotated by truncation, so a follower starts anew when one shrinks. Of a log
 * whose writer has an offset of its own what stays is behind a hole, which may be as large as all that was ever written.
 */
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { LogOptions, LogReader } from "@flintlock/core";

const FILES = { console: "console.log", vmm: "vmm.log" } as const;
const CHUNK_BYTES = 64 * 1024;
const POLL_MS = 150;
/** Read at least, from the end: more than any log keeps, also where a file system packs what it stores */
const KEPT_BYTES = 16 * 1024 * 1024;
/** st_blocks, whatever the file system's own block size is: inode(7) */
const BLOCK_BYTES = 512;

export const logReader: LogReader = {
  async *read(directory, options, isOver, signal) {
    const path = join(directory, FILES[options.source]);
    let position = await startOf(path, options.tail);
    for (;;) {
      // Asked before the read: what was written until the end is then read too.
      const wasOver = isOver();
      for await (const chunk of readFrom(path, position)) {
        signal.throwIfAborted();
        position = chunk.next;
        yield chunk.bytes;
      }
      if (!options.follow || wasOver) return;
      await setTimeout(POLL_MS, undefined, { signal });
    }
  },
};

interface Chunk {
  readonly bytes: Uint8Array;
  readonly next: number;
}

const readFrom = async function* (path: string, from: number): AsyncIterable<Chunk> {
  const file = await openIfThere(path);
  if (file === undefined) return;
  try {
    const { size, blocks } = await file.stat();
    const floor = floorOf(size, blocks);
    let position = size < from ? floor : Math.max(from, floor);
    let isInHole = position === floor;
    for (;;) {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      const bytes = buffer.subarray(0, bytesRead);
      const start = isInHole ? bytes.findIndex((byte) => byte !== 0) : 0;
      if (start === -1) continue;
      isInHole = false;
      yield { bytes: bytes.subarray(start), next: position };
    }
  } finally {
    await file.close();
  }
};

/** Nothing is before it but a hole. */
const floorOf = (size: number, blocks: number): number =>
  Math.max(0, size - Math.max(blocks * BLOCK_BYTES, KEPT_BYTES));

/** Offset of the last `tail` lines; 0 for all. */
const startOf = async (path: string, tail: LogOptions["tail"]): Promise<number> => {
  if (tail <= 0) return 0;
  const file = await openIfThere(path);
  if (file === undefined) return 0;
  try {
    const { size, blocks } = await file.stat();
    const floor = floorOf(size, blocks);
    let end = size;
    let lines = 0;
    const buffer = Buffer.alloc(CHUNK_BYTES);
    while (end > floor) {
      const start = Math.max(floor, end - CHUNK_BYTES);
      const { bytesRead } = await file.read(buffer, 0, end - start, start);
      for (let i = bytesRead - 1; i >= 0; i--) {
        // The newline that ends the last line ends nothing we count.
        if (buffer[i] === 0x0a && ++lines > tail) return start + i + 1;
      }
      end = start;
    }
    return 0;
  } finally {
    await file.close();
  }
};

const openIfThere = async (path: string): Promise<FileHandle | undefined> => {
  try {
    return await open(path, "r");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
};
