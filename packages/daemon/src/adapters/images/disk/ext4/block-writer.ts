import { writeSync } from "node:fs";
import { BLOCK_SIZE } from "./layout.ts";

/** Small files follow one another on the disk, so one write carries hundreds of them. */
const BUFFER_BLOCKS = 256;

/** Writes whole blocks to the disk image, gathering neighbours. Later writes of a block win over earlier ones. */
export class BlockWriter {
  readonly #fd: number;
  readonly #buffer = Buffer.alloc(BUFFER_BLOCKS * BLOCK_SIZE);
  #start = 0;
  #count = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Writes `source[start, end)`, at most a block, and zeros up to the block's end. */
  writeBlock(block: number, source: Buffer, start: number, end: number): void {
    if (block !== this.#start + this.#count || this.#count === BUFFER_BLOCKS) {
      this.flush();
      this.#start = block;
    }
    const at = this.#count * BLOCK_SIZE;
    const copied = source.copy(this.#buffer, at, start, end);
    if (copied < BLOCK_SIZE) this.#buffer.fill(0, at + copied, at + BLOCK_SIZE);
    this.#count++;
  }

  flush(): void {
    if (this.#count === 0) return;
    this.writeAt(this.#buffer.subarray(0, this.#count * BLOCK_SIZE), this.#start * BLOCK_SIZE);
    this.#count = 0;
  }

  /** Writes at once, past the gathered blocks: for places that never pass through `writeBlock`. */
  writeAt(bytes: Uint8Array, position: number): void {
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(this.#fd, bytes, done, bytes.length - done, position + done);
    }
  }
}
