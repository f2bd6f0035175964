import { pipeline } from "node:stream";
import zlib from "node:zlib";
import { FlintlockError } from "@flintlock/core";
import type { Compression } from "../media-types.ts";
import { unzstd } from "./zstd.ts";

/** Most bytes one layer may unpack to, so that a small blob cannot claim all time and space: 64 GiB. */
export const MAX_UNCOMPRESSED_BYTES = 64 * 1024 ** 3;

/** Node's default of 16 KiB costs two thirds of the speed: measured 200 against 640 MB/s. */
const GZIP_CHUNK_BYTES = 256 * 1024;
/** How far decompression, on its own thread, may run ahead of its reader. */
const READ_AHEAD_BYTES = 1024 * 1024;

/**
 * The bytes `source` unpacks to. Several gzip members or zstd frames in a row are one stream.
 * Errors of `source` itself pass through unchanged.
 * @throws FlintlockError `data_loss` – damaged, cut short, or something else follows the compressed data;
 *   `exhausted` – more than `maxBytes` come out
 */
export async function* decompress(
  source: AsyncIterable<Uint8Array>,
  kind: Compression,
  maxBytes: number = MAX_UNCOMPRESSED_BYTES,
): AsyncGenerator<Uint8Array, void, undefined> {
  let total = 0;
  for await (const chunk of unpacked(source, kind)) {
    total += chunk.length;
    if (total > maxBytes) {
      throw new FlintlockError("exhausted", `compressed data: it unpacks to more than ${maxBytes} bytes`);
    }
    yield chunk;
  }
}

const unpacked = (source: AsyncIterable<Uint8Array>, kind: Compression): AsyncIterable<Uint8Array> => {
  switch (kind) {
    case "gzip":
      return gunzip(source);
    case "zstd":
      return unzstd(source);
    case "none":
      return source;
  }
};

async function* gunzip(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  let fedBytes = 0;
  const counted = async function* () {
    for await (const chunk of source) {
      fedBytes += chunk.length;
      yield chunk;
    }
  };
  const stream = zlib.createGunzip({
    chunkSize: GZIP_CHUNK_BYTES,
    ...{ readableHighWaterMark: READ_AHEAD_BYTES },
  });
  // The callback has nothing to do: pipeline also fails `stream`, and so the loop below.
  pipeline(counted, stream, () => {});
  try {
    yield* stream;
  } catch (error) {
    throw isZlibError(error) ? damaged(error) : error;
  }
  // zlib stops at a member followed by a zero byte and lets the rest drop.
  if (stream.bytesWritten !== fedBytes) throw damaged(new Error("data follows the last member"));
}

const isZlibError = (error: unknown): boolean =>
  error instanceof Error && "code" in error && String(error.code).startsWith("Z_");

const damaged = (cause: unknown): FlintlockError =>
  new FlintlockError("data_loss", "gzip data: it is damaged, cut short, or followed by other data", {
    cause,
  });
