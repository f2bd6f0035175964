import type { FileHandle } from "node:fs/promises";
import type { Segment } from "./tar-entry.ts";

/** Holes are found in steps of this; a file system has them in blocks of 4 KiB and more. */
const STEP_BYTES = 64 * 1024;
const READ_BYTES = 16 * STEP_BYTES;
const ZEROS = Buffer.alloc(STEP_BYTES);

/**
 * Where a file is not all zeros, in order; the last one is empty where the file ends with zeros, as GNU tar expects it.
 * The file is read: Node tells of no holes.
 */
export const findSegments = async (handle: FileHandle, size: number): Promise<readonly Segment[]> => {
  const segments: { start: number; length: number }[] = [];
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  for (let at = 0; at < size; ) {
    const { bytesRead } = await handle.read(buffer, 0, Math.min(READ_BYTES, size - at), at);
    if (bytesRead === 0) break; // Shorter than it said: who reads the data will tell.
    for (let step = 0; step < bytesRead; step += STEP_BYTES) {
      const length = Math.min(STEP_BYTES, bytesRead - step);
      const isHole = buffer.subarray(step, step + length).equals(ZEROS.subarray(0, length));
      const last = segments.at(-1);
      if (isHole) continue;
      if (last !== undefined && last.start + last.length === at + step) last.length += length;
      else segments.push({ start: at + step, length });
    }
    at += bytesRead;
  }
  const last = segments.at(-1);
  if (last === undefined || last.start + last.length < size) segments.push({ start: size, length: 0 });
  return segments;
};
