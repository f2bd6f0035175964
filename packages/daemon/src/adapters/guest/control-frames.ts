/**
 * The guest agent's own frames, on a stream to port 1024: `type u8 | length u32 be | payload`
 * (docs/guest-protocol.md).
 */
export const CONTROL = {
  request: 1,
  stdin: 2,
  stdinEof: 3,
  stdout: 4,
  stderr: 5,
  exit: 6,
  error: 7,
  resize: 8,
  signal: 9,
  connected: 10,
} as const;
export type ControlType = (typeof CONTROL)[keyof typeof CONTROL];

const HEADER_BYTES = 5;
/** The protocol's own bound */
export const MAX_FRAME_BYTES = 16 * 1024 * 1024;
/** Of a frame that is kept until it is whole: an exit, an error; theirs and ours are far smaller */
export const MAX_WHOLE_BYTES = 64 * 1024;
/** What we put in one frame at most */
export const CHUNK_BYTES = 32 * 1024;

export interface ControlFrame {
  readonly type: number;
  readonly payload: Uint8Array;
}

export const encodeControl = (type: ControlType, payload: Uint8Array = new Uint8Array()): Uint8Array => {
  const frame = Buffer.alloc(HEADER_BYTES + payload.length);
  frame.writeUInt8(type, 0);
  frame.writeUInt32BE(payload.length, 1);
  frame.set(payload, HEADER_BYTES);
  return frame;
};

export const encodeJson = (type: ControlType, value: unknown): Uint8Array =>
  encodeControl(type, Buffer.from(JSON.stringify(value)));

/** Handed on in pieces, as they come: none of it is kept, however long the frame. */
const isStreamed = (type: number): boolean => type === CONTROL.stdout || type === CONTROL.stderr;

/**
 * Frames as they complete; stdout and stderr as their bytes come, none of them empty. Throws on a frame above its
 * bound and on an end inside a frame.
 */
export const readControlFrames = async function* (
  bytes: AsyncIterable<Uint8Array>,
): AsyncGenerator<ControlFrame> {
  const header = Buffer.alloc(HEADER_BYTES);
  let have = 0;
  let left = 0;
  let whole: Uint8Array | undefined;
  for await (const chunk of bytes) {
    for (let at = 0; at < chunk.length; ) {
      if (have < HEADER_BYTES) {
        header.writeUInt8(chunk[at++] ?? 0, have++);
        if (have < HEADER_BYTES) continue;
        left = lengthOf(header);
        whole = isStreamed(header.readUInt8(0)) ? undefined : new Uint8Array(left);
      } else {
        const piece = chunk.subarray(at, at + left);
        at += piece.length;
        left -= piece.length;
        if (whole === undefined) yield { type: header.readUInt8(0), payload: piece };
        else whole.set(piece, whole.length - left - piece.length);
      }
      if (left > 0) continue;
      have = 0;
      if (whole !== undefined) yield { type: header.readUInt8(0), payload: whole };
    }
  }
  if (have > 0) throw new Error("the stream ended inside an agent frame");
};

const lengthOf = (header: Buffer): number => {
  const length = header.readUInt32BE(1);
  const max = isStreamed(header.readUInt8(0)) ? MAX_FRAME_BYTES : MAX_WHOLE_BYTES;
  if (length > max) throw new Error(`an agent frame of ${length} bytes`);
  return length;
};
