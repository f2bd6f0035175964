/** Frames of the agent channel (docs/guest-protocol.md): `kind u8 | flags u8 | length u16 | stream u32 | payload`. */

export const FRAME = { hello: 1, helloAck: 2, open: 3, data: 4, eof: 5, window: 6, reset: 7 } as const;
export type FrameKind = (typeof FRAME)[keyof typeof FRAME];

export const HEADER_BYTES = 8;
export const MAX_PAYLOAD_BYTES = 16384;

export interface Frame {
  readonly kind: FrameKind;
  readonly stream: number;
  readonly payload: Uint8Array;
}

/** Copies `payload`, so that its owner may reuse it. */
export const encodeFrame = (
  kind: FrameKind,
  stream: number,
  payload: Uint8Array = new Uint8Array(),
): Uint8Array => {
  const frame = Buffer.alloc(HEADER_BYTES + payload.length);
  frame.writeUInt8(kind, 0);
  frame.writeUInt16BE(payload.length, 2);
  frame.writeUInt32BE(stream, 4);
  frame.set(payload, HEADER_BYTES);
  return frame;
};

export const u32 = (value: number): Uint8Array => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

const KINDS: ReadonlySet<number> = new Set(Object.values(FRAME));

/** Of zeros in a row: our guest sends none, and those of an earlier connection are dropped before the greeting */
const MAX_PADDING_BYTES = 1024 * 1024;

/**
 * Cuts a byte stream into frames; holds at most one incomplete frame. Throws on anything else, and on padding without end.
 */
export const frameParser = (): ((chunk: Uint8Array) => readonly Frame[]) => {
  let rest = Buffer.alloc(0);
  let padding = 0;
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    const frames: Frame[] = [];
    let at = 0;
    for (;;) {
      // Zero bytes between frames are padding.
      const begin = at;
      while (at < rest.length && rest[at] === 0) at++;
      padding += at - begin;
      if (padding > MAX_PADDING_BYTES) throw new Error("padding without end");
      if (rest.length - at < HEADER_BYTES) break;
      padding = 0;
      const { kind, length, stream } = header(rest, at);
      const end = at + HEADER_BYTES + length;
      if (end > rest.length) break;
      // A copy: a view would keep the whole chunk alive for as long as a slow reader holds the payload.
      frames.push({ kind, stream, payload: Buffer.from(rest.subarray(at + HEADER_BYTES, end)) });
      at = end;
    }
    rest = Buffer.from(rest.subarray(at));
    return frames;
  };
};

const header = (bytes: Buffer, at: number): { kind: FrameKind; length: number; stream: number } => {
  const kind = bytes.readUInt8(at);
  const flags = bytes.readUInt8(at + 1);
  const length = bytes.readUInt16BE(at + 2);
  if (!isKind(kind)) throw new Error(`unknown frame kind ${kind}`);
  if (flags !== 0) throw new Error(`unknown frame flags ${flags}`);
  if (length > MAX_PAYLOAD_BYTES) throw new Error(`a frame of ${length} bytes`);
  return { kind, length, stream: bytes.readUInt32BE(at + 4) };
};

const isKind = (kind: number): kind is FrameKind => KINDS.has(kind);
