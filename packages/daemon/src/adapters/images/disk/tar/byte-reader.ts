import { FlintlockError } from "@flintlock/core";

/**
 * Takes exact counts of bytes from a stream of chunks. What lies inside the current chunk is handed out at
 * once, without a promise and without a copy: an archive of many small files costs one wait per chunk, not
 * one per header.
 */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #signal: AbortSignal;
  #chunk: Buffer = Buffer.alloc(0);
  #offset = 0;
  #ended = false;

  constructor(source: AsyncIterable<Uint8Array>, signal: AbortSignal) {
    this.#source = source[Symbol.asyncIterator]();
    this.#signal = signal;
  }

  /** Up to `most` bytes of the current chunk; empty when it is used up. */
  takeReady(most: number): Buffer {
    const end = Math.min(this.#chunk.length, this.#offset + most);
    const part = this.#chunk.subarray(this.#offset, end);
    this.#offset = end;
    return part;
  }

  /** Exactly `count` bytes when the current chunk has them, else undefined and nothing is taken. */
  takeWhole(count: number): Buffer | undefined {
    const end = this.#offset + count;
    if (end > this.#chunk.length) return undefined;
    const part = this.#chunk.subarray(this.#offset, end);
    this.#offset = end;
    return part;
  }

  /** Waits for the next chunk, once the current one is used up. False at the end of the stream. */
  async fill(): Promise<boolean> {
    while (this.#offset === this.#chunk.length) {
      this.#signal.throwIfAborted();
      if (this.#ended) return false;
      const next = await this.#source.next();
      if (next.done === true) {
        this.#ended = true;
        return false;
      }
      const { buffer, byteOffset, byteLength } = next.value;
      this.#chunk = Buffer.from(buffer, byteOffset, byteLength);
      this.#offset = 0;
    }
    return true;
  }

  /**
   * Exactly `count` bytes, or undefined if the stream ends before the first of them.
   * @throws FlintlockError `data_loss` – it ends between the first and the last
   */
  async take(count: number): Promise<Buffer | undefined> {
    const whole = this.takeWhole(count);
    if (whole !== undefined) return whole;
    const bytes = Buffer.allocUnsafe(count);
    let filled = 0;
    while (filled < count) {
      if (!(await this.fill())) {
        if (filled === 0) return undefined;
        throw truncated();
      }
      filled += this.takeReady(count - filled).copy(bytes, filled);
    }
    return bytes;
  }

  /** @throws FlintlockError `data_loss` – the stream has fewer bytes left */
  async skip(count: number): Promise<void> {
    let left = count - this.takeReady(count).length;
    while (left > 0) {
      if (!(await this.fill())) throw truncated();
      left -= this.takeReady(left).length;
    }
  }

  /** Reads the stream to its end and forgets it. */
  async drain(): Promise<void> {
    do this.#offset = this.#chunk.length;
    while (await this.fill());
  }

  /** Lets go of the source; needed when the stream was not read to its end. */
  async close(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#source.return?.();
  }
}

export const truncated = (): FlintlockError =>
  new FlintlockError("data_loss", "tar archive: it ends in the middle of an entry");
