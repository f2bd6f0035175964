/** Telling compressed bytes by how they begin; names and media types of archives are not to be relied on. */
import { open } from "node:fs/promises";
import type { Compression } from "../media-types.ts";

const LONGEST_MAGIC = 4;
const MAGIC: readonly (readonly [Compression, readonly number[]])[] = [
  ["gzip", [0x1f, 0x8b]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
];

export const compressionOf = (start: Uint8Array): Compression =>
  MAGIC.find(([, magic]) => magic.every((byte, index) => start[index] === byte))?.[0] ?? "none";

export const readStart = async (path: string): Promise<Uint8Array> => {
  const file = await open(path, "r");
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(LONGEST_MAGIC), 0, LONGEST_MAGIC, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
};

/** Looks at how a stream begins and gives it back whole. */
export const peekCompression = async (
  source: AsyncIterable<Uint8Array>,
): Promise<{ readonly compression: Compression; readonly bytes: AsyncIterable<Uint8Array> }> => {
  const iterator = source[Symbol.asyncIterator]();
  const head: Uint8Array[] = [];
  let length = 0;
  while (length < LONGEST_MAGIC) {
    const { value, done } = await iterator.next();
    if (done === true) break;
    head.push(value);
    length += value.length;
  }
  return { compression: compressionOf(Buffer.concat(head)), bytes: chained(head, iterator) };
};

async function* chained(
  head: readonly Uint8Array[],
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield* head;
  yield* { [Symbol.asyncIterator]: () => rest };
}
