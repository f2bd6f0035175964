/** protobuf's scalars, written from the end of a growing buffer towards its start. */
const INITIAL_BYTES = 64 * 1024;
const VARINT_BITS = 7;
const VARINT_MORE = 0x80;
const MAX_VARINT_BYTES = 10;
const DOUBLE_BYTES = 8;
/** Up to here a loop over char codes beats the call into `Buffer` */
const SHORT_STRING = 48;

export class BackwardWriter {
  #position = INITIAL_BYTES;
  #buffer = Buffer.allocUnsafe(INITIAL_BYTES);

  reset(): void {
    this.#position = this.#buffer.byteLength;
  }

  /** Bytes written since `reset`. */
  get length(): number {
    return this.#buffer.byteLength - this.#position;
  }

  /** The bytes written since `reset`, as memory of their own. */
  copy(): Uint8Array {
    return new Uint8Array(this.#buffer.subarray(this.#position));
  }

  /** Unsigned, up to 2^32 - 1. */
  varint(value: number): void {
    this.#reserve(MAX_VARINT_BYTES);
    let size = 1;
    for (let rest = value >>> VARINT_BITS; rest > 0; rest >>>= VARINT_BITS) size += 1;
    this.#position -= size;
    let at = this.#position;
    let rest = value;
    while (--size > 0) {
      this.#buffer[at++] = (rest & (VARINT_MORE - 1)) | VARINT_MORE;
      rest >>>= VARINT_BITS;
    }
    this.#buffer[at] = rest;
  }

  /** Negative ones take ten bytes, as the format wants. */
  int32(value: number): void {
    if (value < 0) this.int64(BigInt(value));
    else this.varint(value);
  }

  int64(value: bigint): void {
    if (value >= 0n && value <= 0xffff_ffffn) {
      this.varint(Number(value));
      return;
    }
    const bytes: number[] = [];
    let rest = BigInt.asUintN(64, value);
    while (rest >= BigInt(VARINT_MORE)) {
      bytes.push(Number(rest & 0x7fn) | VARINT_MORE);
      rest >>= BigInt(VARINT_BITS);
    }
    bytes.push(Number(rest));
    this.#reserve(MAX_VARINT_BYTES);
    this.#position -= bytes.length;
    this.#buffer.set(bytes, this.#position);
  }

  double(value: number): void {
    this.#reserve(DOUBLE_BYTES);
    this.#position -= DOUBLE_BYTES;
    this.#buffer.writeDoubleLE(value, this.#position);
  }

  /** UTF-8 with its length before it. */
  string(value: string): void {
    const { length } = value;
    if (length <= SHORT_STRING && this.#ascii(value)) {
      this.varint(length);
      return;
    }
    const size = Buffer.byteLength(value);
    this.#reserve(size);
    this.#position -= size;
    this.#buffer.write(value, this.#position);
    this.varint(size);
  }

  /** False, with nothing written, when there is a character beyond ASCII. */
  #ascii(value: string): boolean {
    const { length } = value;
    this.#reserve(length);
    const start = this.#position - length;
    for (let at = 0; at < length; at += 1) {
      const code = value.charCodeAt(at);
      if (code >= VARINT_MORE) return false;
      this.#buffer[start + at] = code;
    }
    this.#position = start;
    return true;
  }

  #reserve(bytes: number): void {
    if (this.#position >= bytes) return;
    const written = this.#buffer.subarray(this.#position);
    const grown = Buffer.allocUnsafe(2 * this.#buffer.byteLength + bytes);
    const position = grown.byteLength - written.byteLength;
    grown.set(written, position);
    this.#buffer = grown;
    this.#position = position;
  }
}
