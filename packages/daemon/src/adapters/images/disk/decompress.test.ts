import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import type { Compression } from "../media-types.ts";
import { decompress } from "./decompress.ts";
import { inChunks } from "./testing/make-tar.ts";
import { startZstdProgram, unzstdByProgram, unzstdInScript } from "./zstd.ts";

const text = Buffer.concat([Buffer.from("the same words again ".repeat(20_000)), randomBytes(70_000)]);
const zstd = (data: Buffer): Buffer =>
  execFileSync("zstd", ["-q", "-c", "-3"], { input: data, maxBuffer: 1e8 });

const collect = async (chunks: AsyncIterable<Uint8Array>): Promise<Buffer> => {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
};
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

const gzip = (data: Buffer): Buffer => gzipSync(data);
const through =
  (kind: Compression) =>
  (source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> =>
    decompress(source, kind);
const byProgram = async function* (source: AsyncIterable<Uint8Array>) {
  const program = await startZstdProgram();
  if (program === undefined) throw new Error("these tests need the zstd program");
  yield* unzstdByProgram(source, program);
};

const ways = [
  { name: "gzip", pack: gzip, unpack: through("gzip") },
  { name: "zstd", pack: zstd, unpack: through("zstd") },
  { name: "zstd by the program", pack: zstd, unpack: byProgram },
  { name: "zstd in script", pack: zstd, unpack: unzstdInScript },
] as const;

test("data that is not compressed passes through", async () => {
  expect(sha256(await collect(decompress(inChunks(text), "none")))).toBe(sha256(text));
});

test.each(ways)("$name: what was packed comes out again", async ({ pack, unpack }) => {
  for (const chunkBytes of [1000, 65_536, 1_000_000]) {
    expect(sha256(await collect(unpack(inChunks(pack(text), chunkBytes))))).toBe(sha256(text));
  }
});

test.each(ways)("$name: several members in a row are one stream", async ({ pack, unpack }) => {
  const packed = Buffer.concat([pack(text), pack(Buffer.from("tail"))]);
  const expected = sha256(Buffer.concat([text, Buffer.from("tail")]));
  expect(sha256(await collect(unpack(inChunks(packed, 7919))))).toBe(expected);
});

test.each(ways)("$name: data cut short is refused", async ({ pack, unpack }) => {
  const packed = pack(text);
  for (const cut of [3, 40, packed.length >> 1, packed.length - 9]) {
    await expect(collect(unpack(inChunks(packed.subarray(0, cut)))), `cut at ${cut}`).rejects.toMatchObject({
      code: "data_loss",
    });
  }
});

test.each(ways)("$name: something else after the data is refused", async ({ pack, unpack }) => {
  for (const tail of ["garbage", "\0\0\0\0garbage", "\x1f\x8b"]) {
    const packed = Buffer.concat([pack(text), Buffer.from(tail, "latin1")]);
    await expect(collect(unpack(inChunks(packed))), JSON.stringify(tail)).rejects.toMatchObject({
      code: "data_loss",
    });
  }
});

test.each(ways)("$name: the source's own error is what the reader sees", async ({ pack, unpack }) => {
  const failing = async function* () {
    yield pack(text).subarray(0, 1000);
    throw new Error("the disk is gone");
  };
  await expect(collect(unpack(failing()))).rejects.toThrow("the disk is gone");
});

test.each(ways)("$name: a reader that leaves early closes the source", async ({ pack, unpack }) => {
  let isClosed = false;
  const endless = async function* () {
    try {
      for (;;) yield pack(text);
    } finally {
      isClosed = true;
    }
  };
  for await (const _ of unpack(endless())) break;
  await expect.poll(() => isClosed).toBe(true);
});

test("more than the bound is refused", async () => {
  const bomb = gzipSync(Buffer.alloc(10_000_000));
  await expect(collect(decompress(inChunks(bomb), "gzip", 9_999_999))).rejects.toMatchObject({
    code: "exhausted",
  });
  expect(await collect(decompress(inChunks(bomb), "gzip", 10_000_000))).toHaveLength(10_000_000);
});
