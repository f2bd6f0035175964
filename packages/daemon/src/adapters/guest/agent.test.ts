import type { ByteStream, ProcessOutput } from "@flintlock/core";
import { expect, test } from "vitest";
import { attach, exec, info, ping, poweroff } from "./agent.ts";
import {
  CONTROL,
  type ControlFrame,
  encodeControl,
  encodeJson,
  MAX_CONTROL_BYTES,
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

const collect = async (output: AsyncIterable<ProcessOutput>): Promise<string[]> => {
  const seen: string[] = [];
  for await (const each of output) {
    seen.push(
      each.kind === "exit" ? `exit ${each.code}` : `${each.kind} ${Buffer.from(each.bytes).toString()}`,
    );
  }
  return seen;
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
  const session = await exec(stream, {
    command: "/bin/ls",
    args: ["-l"],
    cwd: "/tmp",
    env: { A: "1" },
    user: undefined,
    timeoutSeconds: 5,
    hasStdin: false,
    terminal: { rows: 2, columns: 3 },
  });
  expect(await collect(session.output)).toEqual(["exit 0"]);
  expect(JSON.parse(text((await requests())[0]))).toEqual({
    version: 1,
    op: "exec",
    exec: {
      cmd: "/bin/ls",
      args: ["-l"],
      cwd: "/tmp",
      env: { A: "1" },
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
  ["too long a frame", [encodeControl(CONTROL.stdout, Buffer.alloc(4)), oversized()]],
  ["an exit that is not JSON", [encodeControl(CONTROL.exit, Buffer.from("zero"))]],
  ["an exit that is no object", [encodeJson(CONTROL.exit, 0)]],
  ["an exit code that is none", [encodeJson(CONTROL.exit, { code: 1e9 })]],
])("%s ends the session as unavailable", async (_, answer) => {
  const { stream } = streamOf(...answer);
  const session = await attach(stream, undefined, never);
  await expect(collect(session.output)).rejects.toMatchObject({ code: "unavailable" });
});

function oversized(): Uint8Array {
  const header = Buffer.alloc(5);
  header.writeUInt8(CONTROL.stdout, 0);
  header.writeUInt32BE(MAX_CONTROL_BYTES + 1, 1);
  return header;
}
