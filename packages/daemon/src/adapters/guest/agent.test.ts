import type { ByteStream, ExecOutput, ExecRequest } from "@flintlock/core";
import { expect, test } from "vitest";
import { attach, exec, extensions, forward, info, ping, poweroff, setClock } from "./agent.ts";
import {
  CONTROL,
  type ControlFrame,
  encodeControl,
  encodeJson,
  MAX_FRAME_BYTES,
  MAX_WHOLE_BYTES,
  readControlFrames,
} from "./control-frames.ts";

const never = new AbortController().signal;

/** A stream whose guest sends `answer`, cut into small pieces, and keeps what it was sent. */
const streamOf = (...answer: readonly Uint8Array[]) => {
  const sent: Uint8Array[] = [];
  let isClosed = false;
  const all = Buffer.concat(answer);
  const stream: ByteStream = {
    bytes: (async function* () {
      for (let at = 0; at < all.length; at += 7) yield all.subarray(at, at + 7);
    })(),
    write: async (bytes) => void sent.push(Buffer.from(bytes)),
    end: async () => {},
    [Symbol.asyncDispose]: async () => {
      isClosed = true;
    },
  };
  const requests = async (): Promise<ControlFrame[]> => {
    const frames: ControlFrame[] = [];
    for await (const frame of readControlFrames(asyncOf(sent))) frames.push(frame);
    return frames;
  };
  return { stream, requests, isClosed: () => isClosed };
};

const asyncOf = async function* <T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
};

/** Bytes of one kind that follow each other are one entry. */
const collect = async (output: AsyncIterable<ExecOutput>): Promise<string[]> => {
  const seen: string[] = [];
  let last = "";
  for await (const each of output) {
    const words = wordsOf(each);
    if (each.kind === last) seen.push(`${seen.pop()}${words}`);
    else seen.push(`${each.kind} ${words}`);
    last = each.kind;
  }
  return seen;
};

const wordsOf = (output: ExecOutput): string => {
  if (output.kind === "exit") return String(output.code);
  return output.kind === "error" ? output.message : Buffer.from(output.bytes).toString();
};

const LS: ExecRequest = {
  cmd: "/bin/ls",
  args: ["-l"],
  cwd: undefined,
  env: {},
  isShell: false,
  user: undefined,
  timeoutSeconds: 0,
  hasStdin: false,
  terminal: undefined,
};

const text = (frame: ControlFrame | undefined): string => Buffer.from(frame?.payload ?? []).toString();

test("attach sends the size, passes output and ends with the exit code", async () => {
  const { stream, requests } = streamOf(
    encodeControl(CONTROL.stdout, Buffer.from("out")),
    encodeControl(CONTROL.stderr, Buffer.from("err")),
    Buffer.from([42, 0, 0, 0, 1, 9]),
    encodeJson(CONTROL.exit, { code: 3 }),
    encodeControl(CONTROL.stdout, Buffer.from("after the end")),
  );
  const session = await attach(stream, { rows: 24, columns: 80 }, never);
  expect(await collect(session.output)).toEqual(["stdout out", "stderr err", "exit 3"]);
  expect(text((await requests())[0])).toBe('{"version":1,"op":"attach","attach":{"rows":24,"cols":80}}');
});

test("stdin is cut into frames of 32 KiB; end, resize and signal have frames of their own", async () => {
  const { stream, requests } = streamOf();
  const session = await attach(stream, undefined, never);
  await session.stdin(Buffer.alloc(70_000, 1));
  await session.endStdin();
  await session.resize({ rows: 0, columns: 1e9 });
  await session.signal("SIGINT");
  const frames = (await requests()).slice(1);
  expect(frames.map(({ type, payload }) => [type, payload.length])).toEqual([
    [CONTROL.stdin, 32768],
    [CONTROL.stdin, 32768],
    [CONTROL.stdin, 4464],
    [CONTROL.stdinEof, 0],
    [CONTROL.resize, 23],
    [CONTROL.signal, 16],
  ]);
  expect(text(frames[4])).toBe('{"rows":1,"cols":65535}');
  expect(text(frames[5])).toBe('{"signal":"INT"}');
});

test("exec asks in the words of the liquidmetal protocol", async () => {
  const { stream, requests } = streamOf(encodeJson(CONTROL.exit, { code: 0 }));
  const session = await exec(
    stream,
    { ...LS, cwd: "/tmp", env: { A: "1" }, timeoutSeconds: 5, terminal: { rows: 2, columns: 3 } },
    never,
  );
  expect(await collect(session.output)).toEqual(["exit 0"]);
  expect(JSON.parse(text((await requests())[0]))).toEqual({
    version: 1,
    op: "exec",
    exec: {
      cmd: "/bin/ls",
      args: ["-l"],
      cwd: "/tmp",
      env: { A: "1" },
      shell: false,
      timeout_sec: 5,
      has_stdin: false,
      tty: { rows: 2, cols: 3 },
    },
  });
});

test("ping, info and poweroff ask once, and close the stream", async () => {
  const ok = encodeJson(CONTROL.exit, { code: 0 });
  const pinged = streamOf(ok);
  await ping(pinged.stream);
  expect(pinged.isClosed()).toBe(true);
  const informed = streamOf(encodeControl(CONTROL.stdout, Buffer.from('{"os":"linux"}')), ok);
  expect(await info(informed.stream)).toBe('{"os":"linux"}');
  const refused = streamOf(encodeJson(CONTROL.exit, { code: 1 }));
  await expect(poweroff(refused.stream)).rejects.toMatchObject({ code: "provider_failed" });
  expect(refused.isClosed()).toBe(true);
});

test("the clock is sent as seconds and nanoseconds; an agent without it refuses", async () => {
  const heard = streamOf(encodeJson(CONTROL.exit, { code: 0 }));
  await setClock(heard.stream, 1_800_000_000_250.5);
  const [request] = await heard.requests();
  expect(JSON.parse(String(Buffer.from(request?.payload ?? [])))).toEqual({
    version: 1,
    op: "clock",
    clock: { sec: 1_800_000_000, nsec: 250_500_000 },
  });
  expect(heard.isClosed()).toBe(true);
  const unknown = streamOf(encodeJson(CONTROL.error, { msg: 'unknown op "clock"' }));
  await expect(setClock(unknown.stream, Date.now())).rejects.toMatchObject({ code: "unsupported" });
});

test.each([
  ["ours", '{"version":"1","extensions":["tty","signal",7]}', ["tty", "signal"]],
  ["upstream's", '{"version":"dev"}', []],
  ["one that lies about their kind", '{"extensions":{"tty":true}}', []],
])("the extensions of %s are those that it names", async (_, words, names) => {
  const ok = encodeJson(CONTROL.exit, { code: 0 });
  const { stream, isClosed } = streamOf(encodeControl(CONTROL.stdout, Buffer.from(words)), ok);
  expect(await extensions(stream, never)).toEqual(new Set(names));
  expect(isClosed()).toBe(true);
});

test("the agent's refusal is a failed precondition in its own words", async () => {
  const { stream } = streamOf(encodeJson(CONTROL.error, { msg: "not\u0007 in attach mode" }));
  const session = await attach(stream, undefined, never);
  await expect(collect(session.output)).rejects.toMatchObject({
    code: "failed_precondition",
    message: "the guest agent refused: not  in attach mode",
  });
});

test.each([
  ["no exit", []],
  ["half a frame", [Buffer.from([CONTROL.stdout, 0, 0, 0, 9, 1])]],
  [
    "too long an output",
    [encodeControl(CONTROL.stdout, Buffer.alloc(4)), header(CONTROL.stdout, MAX_FRAME_BYTES + 1)],
  ],
  ["too long an exit", [header(CONTROL.exit, MAX_WHOLE_BYTES + 1)]],
  ["too long a frame of no known kind", [header(200, MAX_WHOLE_BYTES + 1)]],
  ["an error that is not JSON", [encodeControl(CONTROL.error, Buffer.from("no"))]],
  ["an exit that is not JSON", [encodeControl(CONTROL.exit, Buffer.from("zero"))]],
  ["an exit that is no object", [encodeJson(CONTROL.exit, 0)]],
  ["an exit code that is none", [encodeJson(CONTROL.exit, { code: 1e9 })]],
])("%s ends a session as unavailable", async (_, answer) => {
  const attached = await attach(streamOf(...answer).stream, undefined, never);
  await expect(collect(attached.output)).rejects.toMatchObject({ code: "unavailable" });
  const executed = await exec(streamOf(...answer).stream, LS, never);
  await expect(collect(executed.output)).rejects.toMatchObject({ code: "unavailable" });
});

test("an error of the agent's is told, and the exit code follows", async () => {
  const error = encodeJson(CONTROL.error, { msg: 'lookup user "x":\u001b[31m unknown' });
  const session = await exec(streamOf(error, encodeJson(CONTROL.exit, { code: 126 })).stream, LS, never);
  expect(await collect(session.output)).toEqual(['error lookup user "x": [31m unknown', "exit 126"]);
});

test("output without end is passed on as it comes, and nothing of it is kept", async () => {
  const piece = Buffer.alloc(1000, "x");
  let read = 0;
  const endless: ByteStream = {
    bytes: (async function* () {
      for (;;) {
        yield header(CONTROL.stdout, MAX_FRAME_BYTES);
        for (let sent = 0; sent < MAX_FRAME_BYTES; sent += piece.length) {
          read += piece.length;
          yield piece;
        }
      }
    })(),
    write: async () => {},
    end: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
  const session = await exec(endless, LS, never);
  let taken = 0;
  for await (const output of session.output) {
    taken += output.kind === "stdout" ? output.bytes.length : 0;
    expect(read - taken).toBe(0);
    if (taken === 50 * piece.length) break;
  }
});

test.each([
  ["errors' output", CONTROL.stderr],
  ["output", CONTROL.stdout],
  ["frames of no known kind", 200],
])("an answer that is %s without end is cut off", async (_, type) => {
  let isClosed = false;
  const endless: ByteStream = {
    bytes: (async function* () {
      const frame = Buffer.concat([header(type, 1000), Buffer.alloc(1000)]);
      while (!isClosed) yield frame;
    })(),
    write: async () => {},
    end: async () => {},
    [Symbol.asyncDispose]: async () => {
      isClosed = true;
    },
  };
  await expect(ping(endless)).rejects.toMatchObject({ code: "unavailable" });
  expect(isClosed).toBe(true);
  if (type === 200) {
    isClosed = false;
    const session = await exec(endless, LS, never);
    await expect(collect(session.output)).rejects.toMatchObject({ code: "unavailable" });
  }
  isClosed = false;
  await expect(forward(endless, 80, never)).rejects.toMatchObject({ code: "unavailable" });
});

test("a guest that does not even take the request is left when the caller has had enough", async () => {
  const enough = new AbortController();
  let giveUp: (error: Error) => void = () => {};
  const stuck: ByteStream = {
    bytes: asyncOf([]),
    write: () => new Promise((_, reject) => (giveUp = reject)),
    end: async () => {},
    [Symbol.asyncDispose]: async () => giveUp(new Error("closed")),
  };
  const asked = exec(stuck, LS, enough.signal);
  enough.abort();
  await expect(asked).rejects.toThrow("closed");
});

function header(type: number, length: number): Uint8Array {
  const bytes = Buffer.alloc(5);
  bytes.writeUInt8(type, 0);
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

test("a forward that stands carries bytes; a refused port and an agent that cannot are told apart", async () => {
  const open = [encodeControl(CONTROL.connected), encodeControl(CONTROL.stdout, Buffer.from("hello"))];
  const { stream, requests } = streamOf(...open, encodeJson(CONTROL.exit, { code: 0 }));
  const connection = await forward(stream, 80, never);
  let got = "";
  for await (const bytes of connection.bytes) got += Buffer.from(bytes).toString();
  expect(got).toBe("hello");
  expect(text((await requests())[0])).toBe('{"version":1,"op":"forward","forward":{"port":80}}');
  const refused = streamOf(encodeJson(CONTROL.error, { msg: "forward: port 80: Connection refused" }));
  await expect(forward(refused.stream, 80, never)).rejects.toMatchObject({ code: "unavailable" });
  const foreign = streamOf(encodeJson(CONTROL.error, { msg: 'unknown op "forward"' }));
  await expect(forward(foreign.stream, 80, never)).rejects.toMatchObject({ code: "unsupported" });
  expect([refused.isClosed(), foreign.isClosed()]).toEqual([true, true]);
});
