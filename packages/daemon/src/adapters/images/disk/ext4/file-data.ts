import type { BlockAllocator } from "./block-allocator.ts";
import type { BlockWriter } from "./block-writer.ts";
import { appendBlock, type Extents } from "./extents.ts";
import { BLOCK_SIZE } from "./layout.ts";

const ZEROS = Buffer.alloc(BLOCK_SIZE);

/** Puts file data onto the disk as it streams by. Blocks of zeros become holes. */
export class FileData {
  readonly #allocator: BlockAllocator;
  readonly #writer: BlockWriter;
  /** The block that chunks of data have begun and not yet filled */
  readonly #partial = Buffer.alloc(BLOCK_SIZE);

  constructor(allocator: BlockAllocator, writer: BlockWriter) {
    this.#allocator = allocator;
    this.#writer = writer;
  }

  /** @throws DiskFull */
  async write(body: AsyncIterable<Uint8Array>): Promise<Extents> {
    const extents: Extents = [];
    let logical = 0;
    let partialBytes = 0;
    for await (const { buffer, byteOffset, byteLength } of body) {
      const chunk = Buffer.from(buffer, byteOffset, byteLength);
      let at = 0;
      if (partialBytes > 0) {
        at = chunk.copy(this.#partial, partialBytes, 0, BLOCK_SIZE - partialBytes);
        partialBytes += at;
        if (partialBytes < BLOCK_SIZE) continue;
        this.#writeBlock(extents, logical++, this.#partial, 0, BLOCK_SIZE);
      }
      for (; at + BLOCK_SIZE <= chunk.length; at += BLOCK_SIZE) {
        this.#writeBlock(extents, logical++, chunk, at, at + BLOCK_SIZE);
      }
      partialBytes = chunk.copy(this.#partial, 0, at);
    }
    if (partialBytes > 0) this.#writeBlock(extents, logical, this.#partial, 0, partialBytes);
    return extents;
  }

  /** Writes at most a block, zeros too, and returns its number. @throws DiskFull */
  storeBlock(bytes: Buffer): number {
    const block = this.#allocator.allocate();
    this.#writer.writeBlock(block, bytes, 0, bytes.length);
    return block;
  }

  release(extents: Extents): void {
    for (let i = 0; i < extents.length; i += 3) {
      this.#allocator.release(extents[i + 1] ?? 0, extents[i + 2] ?? 0);
    }
  }

  #writeBlock(extents: Extents, logical: number, bytes: Buffer, start: number, end: number): void {
    // The first byte settles it for nearly all blocks.
    if (bytes[start] === 0 && bytes.compare(ZEROS, 0, end - start, start, end) === 0) return;
    const block = this.#allocator.allocate();
    appendBlock(extents, logical, block);
    this.#writer.writeBlock(block, bytes, start, end);
  }
}
