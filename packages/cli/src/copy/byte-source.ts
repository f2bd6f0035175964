/** Takes exact counts of bytes from a stream of chunks. */
export class ByteSource {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #maxBytes: number;
  readonly #tooMany: () => Error;
  #chunk: Buffer = Buffer.alloc(0);
  #total = 0;

  /** Throws `tooMany()` once more than `maxBytes` have come. */
  constructor(chunks: AsyncIterable<Uint8Array>, maxBytes: number, tooMany: () => Error) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#maxBytes = maxBytes;
    this.#tooMany = tooMany;
    this.#tooMany = tooMany;
  }

  /** One to `most` bytes; undefined at the end. */
  async some(most: number): Promise<Buffer | undefined> {
    while (this.#chunk.length === 0) {
      const { done, value } = await this.#chunks.next();
      if (done) return undefined;
      this.#total += value.length;
      if (this.#total > this.#maxBytes) throw this.#tooMany();
      this.#chunk = Buffer.from(value.buffer, value.byteOffset, value.length);
    }
    const part = this.#chunk.subarray(0, most);
    this.#chunk = this.#chunk.subarray(part.length);
    return part;
  }

  /** Exactly `count` bytes, or undefined when the stream ends before. */
  async exactly(count: number): Promise<Buffer | undefined> {
    const parts: Buffer[] = [];
    for (let left = count; left > 0; ) {
      const part = await this.some(left);
      if (part === undefined) return undefined;
      parts.push(part);
      left -= part.length;
    }
    return parts.length === 1 ? parts[0] : Buffer.concat(parts);
  }

  /** To the stream's own end, which may be an error. */
  async drain(): Promise<void> {
    while ((await this.some(Number.MAX_SAFE_INTEGER)) !== undefined);
  }
}
