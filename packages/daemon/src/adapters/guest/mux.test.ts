import { type Duplex, duplexPair } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { openMux } from "./mux.ts";
import { encodeFrame, FRAME, type Frame, type FrameKind, frameParser, u32 } from "./mux-frames.ts";

const never = new AbortController().signal;
const sockets: Duplex[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

interface FakeGuest {
  readonly frames: Frame[];
  send(kind: FrameKind, stream: number, payload?: Uint8Array): void;
  raw(bytes: Uint8Array): void;
  /** Bytes of DATA that arrived */
  received(stream: number): number;
}

/** A guest that answers HELLO and otherwise does as `react` says. */
const fakeGuest = (
  react: (frame: Frame, guest: FakeGuest) => void = () => {},
  before: Uint8Array = new Uint8Array(),
): { socket: Duplex; guest: FakeGuest } => {
  const [socket, far] = duplexPair();
  sockets.push(socket, far);
  const parse = frameParser();
  const guest: FakeGuest = {
    frames: [],
    send: (kind, stream, payload) => void far.write(encodeFrame(kind, stream, payload)),
    raw: (bytes) => void far.write(bytes),
    received: (stream) =>
      guest.frames
        .filter((frame) => frame.kind === FRAME.data && frame.stream === stream)
        .reduce((sum, frame) => sum + frame.payload.length, 0),
  };
  if (before.length > 0) far.write(before);
  far.on("data", (chunk: Buffer) => {
    for (const frame of parse(chunk)) {
      guest.frames.push(frame);
      if (frame.kind === FRAME.hello) guest.send(FRAME.helloAck, 0, frame.payload);
      else react(frame, guest);
    }
  });
  return { socket, guest };
};

const echo = (frame: Frame, guest: FakeGuest): void => {
  if (frame.kind === FRAME.data) guest.send(FRAME.data, frame.stream, frame.payload);
  // What may be echoed may be sent: so the echo never outruns the window it was given.
  if (frame.kind === FRAME.window) guest.send(FRAME.window, frame.stream, frame.payload);
  if (frame.kind === FRAME.eof) guest.send(FRAME.eof, frame.stream);
};

const readAll = async (bytes: AsyncIterable<Uint8Array>): Promise<Buffer> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks);
};

test("a frame is eight bytes of header and its payload", () => {
  const bytes = encodeFrame(FRAME.data, 0x01020304, Buffer.from("hi"));
  expect(Buffer.from(bytes).toString("hex")).toBe("04000002010203046869");
});

test("frames are found however the bytes are cut, with padding between", () => {
  const sent = [
    { kind: FRAME.data, stream: 1, payload: Buffer.from("hello") },
    { kind: FRAME.eof, stream: 1, payload: Buffer.alloc(0) },
    { kind: FRAME.reset, stream: 2, payload: Buffer.from("no") },
  ] as const;
  const bytes = Buffer.concat(
    sent.flatMap((f) => [Buffer.alloc(3), encodeFrame(f.kind, f.stream, f.payload)]),
  );
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: bytes.length })), (cuts) => {
      const parse = frameParser();
      const points = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
      const got = points.slice(1).flatMap((end, index) => parse(bytes.subarray(points[index], end)));
      expect(got).toEqual(sent);
    }),
  );
});

test("streams carry bytes both ways, beyond their windows, side by side", async () => {
  const { socket } = fakeGuest(echo);
  await using mux = await openMux(socket, never);
  const exchange = async (port: number, length: number) => {
    const stream = mux.open(port);
    const sent = Buffer.alloc(length, port);
    const [got] = await Promise.all([readAll(stream.bytes), stream.write(sent).then(() => stream.end())]);
    expect(got.equals(sent)).toBe(true);
  };
  await Promise.all([exchange(1, 500_000), exchange(2, 300_000), exchange(3, 0)]);
});

test("what an earlier connection left is dropped, even half a frame and a forged answer", async () => {
  const stale = Buffer.concat([
    encodeFrame(FRAME.data, 9, Buffer.from("old")).subarray(3),
    encodeFrame(FRAME.helloAck, 0, Buffer.alloc(16, 7)),
    Buffer.from([4, 0, 0xff, 0xff]),
  ]);
  const { socket, guest } = fakeGuest(echo, stale);
  await using mux = await openMux(socket, never);
  await using stream = mux.open(1024);
  await stream.write(Buffer.from("new"));
  await stream.end();
  expect((await readAll(stream.bytes)).toString()).toBe("new");
  expect(guest.frames[0]?.kind).toBe(FRAME.hello);
});

test("a write waits while the guest gives no window", async () => {
  const { socket, guest } = fakeGuest();
  await using mux = await openMux(socket, never);
  const stream = mux.open(1);
  let isWritten = false;
  const writing = stream.write(Buffer.alloc(100_000)).then(() => {
    isWritten = true;
  });
  await expect.poll(() => guest.received(1)).toBe(65536);
  await sleep(20);
  expect([guest.received(1), isWritten]).toEqual([65536, false]);
  guest.send(FRAME.window, 1, u32(40_000));
  await writing;
  await expect.poll(() => guest.received(1)).toBe(100_000);
});

test("the guest gets no window while nobody reads", async () => {
  const { socket, guest } = fakeGuest();
  await using mux = await openMux(socket, never);
  const stream = mux.open(1);
  await expect.poll(() => guest.frames.length).toBe(2);
  for (let n = 0; n < 4; n++) guest.send(FRAME.data, 1, Buffer.alloc(16384));
  await sleep(20);
  const windows = () => guest.frames.filter((frame) => frame.kind === FRAME.window);
  expect(windows()).toEqual([]);
  guest.send(FRAME.eof, 1);
  expect(await readAll(stream.bytes)).toHaveLength(65536);
});

test("a port that nobody serves shows at the first read", async () => {
  const { socket } = fakeGuest((frame, guest) => {
    if (frame.kind === FRAME.open) guest.send(FRAME.reset, frame.stream, Buffer.from("no such port\u001b"));
  });
  await using mux = await openMux(socket, never);
  const stream = mux.open(7);
  await expect(readAll(stream.bytes)).rejects.toMatchObject({
    code: "unavailable",
    message: "the guest ended the session: no such port ",
  });
  await expect(stream.write(Buffer.from("x"))).rejects.toMatchObject({ code: "unavailable" });
  expect(mux.isOpen).toBe(true);
});

test("closing a stream resets it; frames still in flight for it are no breach", async () => {
  const { socket, guest } = fakeGuest();
  await using mux = await openMux(socket, never);
  const stream = mux.open(1);
  await stream[Symbol.asyncDispose]();
  await expect.poll(() => guest.frames.at(-1)?.kind).toBe(FRAME.reset);
  guest.send(FRAME.data, 1, Buffer.from("late"));
  guest.send(FRAME.eof, 1);
  await sleep(10);
  expect(mux.isOpen).toBe(true);
});

const breaches: Record<string, (guest: FakeGuest) => void> = {
  "an unknown kind": (guest) => guest.raw(Buffer.from([9, 0, 0, 0, 0, 0, 0, 1])),
  "unknown flags": (guest) => guest.raw(Buffer.from([4, 1, 0, 0, 0, 0, 0, 1])),
  "too long a frame": (guest) => guest.raw(Buffer.from([4, 0, 0x40, 1, 0, 0, 0, 1])),
  "a stream we never opened": (guest) => guest.send(FRAME.data, 2, Buffer.from("x")),
  "data on stream 0": (guest) => guest.send(FRAME.data, 0, Buffer.from("x")),
  "an OPEN": (guest) => guest.send(FRAME.open, 1, u32(1)),
  "a HELLO": (guest) => guest.send(FRAME.hello, 0, Buffer.alloc(16)),
  "a second end": (guest) => {
    guest.send(FRAME.eof, 1);
    guest.send(FRAME.eof, 1);
  },
  "data after the end": (guest) => {
    guest.send(FRAME.eof, 1);
    guest.send(FRAME.data, 1, Buffer.from("x"));
  },
  "more than its window": (guest) => {
    for (let n = 0; n < 5; n++) guest.send(FRAME.data, 1, Buffer.alloc(16384));
  },
  "an absurd window": (guest) => guest.send(FRAME.window, 1, u32(0xffffffff)),
  "a window that adds nothing": (guest) => guest.send(FRAME.window, 1, u32(0)),
  "data without a byte": (guest) => guest.send(FRAME.data, 1),
  "padding without end": (guest) => guest.raw(Buffer.alloc(1024 * 1024 + 1)),
  "a short window": (guest) => guest.send(FRAME.window, 1, Buffer.alloc(3)),
};
test.each(Object.entries(breaches))("%s closes the channel and fails its streams", async (_, breach) => {
  const { socket, guest } = fakeGuest();
  const mux = await openMux(socket, never);
  const stream = mux.open(1);
  const waiting = expect(stream.write(Buffer.alloc(200_000))).rejects.toMatchObject({ code: "unavailable" });
  breach(guest);
  await mux.closed;
  await waiting;
  await expect(readAll(stream.bytes)).rejects.toMatchObject({ code: "unavailable" });
  expect(() => mux.open(2)).toThrow("the guest broke the agent protocol");
});

test("what is on its way for a stream that we close may come, and no more of it", async () => {
  const { socket, guest } = fakeGuest();
  const mux = await openMux(socket, never);
  const [first, other] = [mux.open(1), mux.open(1)];
  await first[Symbol.asyncDispose]();
  const one = encodeFrame(FRAME.data, 1, Buffer.from("x"));
  guest.raw(Buffer.concat(new Array(65_536).fill(one)));
  guest.send(FRAME.data, 2, Buffer.from("still heard"));
  guest.send(FRAME.eof, 2);
  expect((await readAll(other.bytes)).toString()).toBe("still heard");
  expect(mux.isOpen).toBe(true);
  guest.raw(Buffer.concat(new Array(65_536).fill(one)));
  await mux.closed;
});

test("a frame that comes byte by byte, for as long as the guest likes, holds up nobody", async () => {
  const { socket, guest } = fakeGuest(echo);
  await using mux = await openMux(socket, never);
  const [slow, quick] = [mux.open(1), mux.open(1)];
  const frame = encodeFrame(FRAME.data, 1, Buffer.from("drop by drop"));
  const dripping = (async () => {
    for (const byte of frame) {
      guest.raw(Buffer.from([byte]));
      await sleep(2);
    }
    guest.send(FRAME.eof, 1);
  })();
  expect((await readAll(slow.bytes)).toString()).toBe("drop by drop");
  await dripping;
  await quick.write(Buffer.from("quick"));
  await quick.end();
  expect((await readAll(quick.bytes)).toString()).toBe("quick");
});

test("random bytes after the greeting never escape as anything but a closed channel", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 200 }), async (bytes) => {
      const { socket, guest } = fakeGuest();
      const mux = await openMux(socket, never);
      const stream = mux.open(1);
      guest.raw(bytes);
      await sleep(0);
      await mux[Symbol.asyncDispose]();
      await readAll(stream.bytes).catch((error: unknown) => expect(error).toHaveProperty("code"));
    }),
    { numRuns: 50 },
  );
});

test("a window of one-byte frames stays small and complete", async () => {
  const { socket, guest } = fakeGuest();
  await using mux = await openMux(socket, never);
  const stream = mux.open(1);
  const one = encodeFrame(FRAME.data, 1, Buffer.from("x"));
  guest.raw(Buffer.concat(new Array(60_000).fill(one)));
  guest.send(FRAME.eof, 1);
  let chunks = 0;
  let length = 0;
  await sleep(100);
  for await (const chunk of stream.bytes) {
    chunks++;
    length += chunk.length;
  }
  expect(length).toBe(60_000);
  expect(chunks).toBeLessThan(300);
});

test("a guest that is silent, hangs up or is given up on is unavailable or canceled", async () => {
  const silent = duplexPair();
  sockets.push(...silent);
  await expect(openMux(silent[0], never, 30)).rejects.toMatchObject({ code: "unavailable" });
  const gone = duplexPair();
  gone[1].end();
  await expect(openMux(gone[0], never, 1000)).rejects.toMatchObject({ code: "unavailable" });
  const stop = new AbortController();
  const given = duplexPair();
  sockets.push(...given);
  setTimeout(() => stop.abort(), 10);
  await expect(openMux(given[0], stop.signal, 1000)).rejects.toMatchObject({ code: "canceled" });
});
