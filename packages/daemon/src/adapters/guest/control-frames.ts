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
} as const;
export type ControlType = (typeof CONTROL)[keyof typeof CONTROL];

const HEADER_BYTES = 5;
/** The protocol allows 16 MiB; nothing we ask for is that long */
export const MAX_CONTROL_BYTES = 1024 * 1024;
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

/** Frames as they complete. Throws on a frame above MAX_CONTROL_BYTES and on an end inside a frame. */
export const readControlFrames = async function* (
  bytes: AsyncIterable<Uint8Array>,
): AsyncGenerator<ControlFrame> {
  // Joined only when a frame is whole: a guest that sends single bytes costs no more than their number.
  let pieces: Uint8Array[] = [];
  let have = 0;
  let need = HEADER_BYTES;
  for await (const chunk of bytes) {
    pieces.push(chunk);
    have += chunk.length;
    if (have < need) continue;
    let rest = Buffer.concat(pieces, have);
    for (;;) {
      need = HEADER_BYTES + (rest.length < HEADER_BYTES ? 0 : lengthOf(rest));
      if (rest.length < need) break;
      yield { type: rest.readUInt8(0), payload: rest.subarray(HEADER_BYTES, need) };
      rest = rest.subarray(need);
      if (rest.length === 0) break;
    }
    pieces = rest.length === 0 ? [] : [rest];
    have = rest.length;
    if (have === 0) need = HEADER_BYTES;
  }
  if (have > 0) throw new Error("the stream ended inside an agent frame");
};

const lengthOf = (header: Buffer): number => {
  const length = header.readUInt32BE(1);
  if (length > MAX_CONTROL_BYTES) throw new Error(`an agent frame of ${length} bytes`);
  return length;
};
