/** A reply that brings its own encodings, each made only when a transport asks for it. */
export class Encoded {
  readonly binary: () => Uint8Array;
  readonly json: () => string;

  constructor(binary: () => Uint8Array, json: () => string) {
    this.binary = binary;
    this.json = json;
  }
}

/** Tag of field 1, wire type "length delimited". */
const FIELD_1 = 0x0a;
const VARINT_BITS = 7;
const VARINT_MORE = 0x80;

/** The encoding of a message whose field 1 holds `values`, singular or repeated: the two look alike. */
export const encodeField1 = (values: readonly Uint8Array[]): Uint8Array => {
  let size = 0;
  for (const value of values) size += 1 + varintSize(value.byteLength) + value.byteLength;
  const out = Buffer.allocUnsafe(size);
  let at = 0;
  for (const value of values) {
    out[at++] = FIELD_1;
    let length = value.byteLength;
    while (length >= VARINT_MORE) {
      out[at++] = (length & (VARINT_MORE - 1)) | VARINT_MORE;
      length >>>= VARINT_BITS;
    }
    out[at++] = length;
    out.set(value, at);
    at += value.byteLength;
  }
  return out;
};

const varintSize = (value: number): number => {
  let size = 1;
  for (let rest = value; rest >= VARINT_MORE; rest >>>= VARINT_BITS) size += 1;
  return size;
};
