import type { ByteStream } from "@flintlock/core";
import { expect, test } from "vitest";
import { CONTROL, encodeControl, encodeJson, readControlFrames } from "./control-frames.ts";
import { copyIn, copyOut } from "./copy.ts";

const never = new AbortController().signal;
const OUT = { path: "/etc", followsLink: true, isHeaderOnly: false };
const IN = { path: "/srv", keepsOwners: true };

/** A guest that sends `answer` once it was sent `after` writes, and then nothing until it is closed. */
const guestOf = (answer: readonly Uint8Array[], after = 0) => {
  const sent: Uint8Array[] = [];
  let close = (): void => undefined;
  let wrote = (): void => undefined;
  const closed = new Promise<void>((resolve) => {
    close = resolve;
  });
  const asked = new Promise<void>((resolve) => {
    wrote = resolve;
  });
  let isClosed = false;
  const stream: ByteStream = {
    bytes: (async function* () {
      if (after > 0) await asked;
      yield* answer;
      await closed;
    })(),
    write: async (bytes) => {
      if (isClosed) throw new Error("closed");
      sent.push(Buffer.from(bytes));
      if (sent.length >= after) wrote();
    },
    end: async () => {},
    [Symbol.asyncDispose]: async () => {
      isClosed = true;
      close();
    },
  };
  const frames = async (): Promise<string[]> => {
    const all: string[] = [];
    for await (const { type, payload } of readControlFrames(listed(sent))) {
      all.push(`${type} ${Buffer.from(payload)}`);
    }
    return all;
  };
  return { stream, frames, isClosed: () => isClosed };
};

const listed = async function* <T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
};
const out = (text: string) => encodeControl(CONTROL.stdout, Buffer.from(text));
const words = (text: string) => encodeControl(CONTROL.stderr, Buffer.from(text));
const exit = (code: number) => encodeJson(CONTROL.exit, { code });

const read = async (stream: ByteStream, signal = never): Promise<string> => {
  let text = "";
  for await (const bytes of copyOut(stream, OUT, signal)) text += Buffer.from(bytes);
  return text;
};

test("what the guest writes comes out, and its exit code is the end", async () => {
  const guest = guestOf([out("one"), out("two"), exit(0)]);
  expect(await read(guest.stream)).toBe("onetwo");
  expect(guest.isClosed()).toBe(true);
  const body = '{"version":1,"op":"read-files","read-files":{"path":"/etc","follow":true,"header":false}}';
  expect(await guest.frames()).toEqual([`1 ${body}`]);
});

test("how it failed is told in the guest's words, made fit for a terminal and not endless", async () => {
  const failed = guestOf([out("one"), words("/etc: I/O\u001b[2J error\n"), exit(1)]);
  const told = { code: "failed_precondition", message: "in the guest: /etc: I/O [2J error" };
  await expect(read(failed.stream)).rejects.toMatchObject(told);
  await expect(read(guestOf([words("no"), exit(2)]).stream)).rejects.toMatchObject({ code: "not_found" });
  const flood = guestOf([words("x".repeat(60_000)), words("y".repeat(60_000)), exit(1)]);
  const error = await read(flood.stream).catch((reason: unknown) => reason);
  expect(String(error).length).toBeLessThan(1100);
  const foreign = guestOf([encodeJson(CONTROL.error, { msg: 'unknown op "read-files"' }), exit(1)]);
  await expect(read(foreign.stream)).rejects.toMatchObject({ code: "unsupported" });
});

test("a guest that says nothing is left when the caller is", async () => {
  const guest = guestOf([out("one")]);
  const control = new AbortController();
  const reading = read(guest.stream, control.signal);
  control.abort();
  await expect(reading).rejects.toMatchObject({ code: "unavailable" });
  expect(guest.isClosed()).toBe(true);
});

test("an archive goes in, and its end with it", async () => {
  const guest = guestOf([exit(0)], 4);
  await copyIn(guest.stream, IN, listed([Buffer.from("one"), Buffer.from("two")]), never);
  const body = '{"version":1,"op":"write-files","write-files":{"path":"/srv","owners":true}}';
  expect(await guest.frames()).toEqual([`1 ${body}`, "2 one", "2 two", "3 "]);
});

test("a guest that ends early is heard, though the archive goes on for ever", async () => {
  const guest = guestOf([words("disk full"), exit(1)], 2);
  const endless = async function* () {
    for (;;) {
      yield Buffer.alloc(1000);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const told = { code: "failed_precondition", message: "in the guest: disk full" };
  await expect(copyIn(guest.stream, IN, endless(), never)).rejects.toMatchObject(told);
  expect(guest.isClosed()).toBe(true);
});

test("an archive that fails is the reason, and the guest is told by the end of the stream", async () => {
  const guest = guestOf([], 1);
  const failing = async function* () {
    yield Buffer.from("one");
    throw new Error("the caller left");
  };
  await expect(copyIn(guest.stream, IN, failing(), never)).rejects.toThrow("the caller left");
  expect(guest.isClosed()).toBe(true);
});
