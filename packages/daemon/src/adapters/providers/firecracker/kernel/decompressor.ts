/** Decompression by the host's own tools, each a process of its own: what it reads is a stranger's. */
import { spawn } from "node:child_process";
import type { FileHandle } from "node:fs/promises";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { FlintlockError } from "@flintlock/core";
import { deadline } from "../../shared/deadline.ts";
import { damaged, type Payload, SIZE_BYTES } from "./boot-protocol.ts";

/** A kernel takes a second or two, an emulated host some ten */
const TIMEOUT_MS = 60_000;
const MAX_WORDS = 500;

export interface Decompressor {
  readonly tool: string;
  readonly args: readonly string[];
  /** Bytes of the payload behind the compressed ones */
  readonly trailer: number;
}

/** By the first bytes of the payload; names as in the kernel's CONFIG_KERNEL_*. */
const FORMATS: readonly (Decompressor & { readonly magic: string })[] = [
  { magic: "1f8b", tool: "gzip", args: ["-dc"], trailer: 0 },
  { magic: "fd377a585a00", tool: "xz", args: ["-dc", "--format=xz"], trailer: SIZE_BYTES },
  { magic: "28b52ffd", tool: "zstd", args: ["-dcq", "--memory=512MB"], trailer: SIZE_BYTES },
  { magic: "02214c18", tool: "lz4", args: ["-dcq"], trailer: SIZE_BYTES },
  { magic: "425a68", tool: "bzip2", args: ["-dc"], trailer: SIZE_BYTES },
  { magic: "5d0000", tool: "xz", args: ["-dc", "--format=lzma"], trailer: SIZE_BYTES },
];

/** @throws FlintlockError `unsupported` – in none of the formats that we know */
export const decompressorFor = (head: Buffer): Decompressor => {
  const hex = head.toString("hex");
  const format = FORMATS.find(({ magic }) => hex.startsWith(magic));
  if (format !== undefined) return format;
  throw new FlintlockError("unsupported", "the kernel image is compressed in an unknown way", {
    detail: { magic: hex.slice(0, 12) },
    hint: "gzip, xz, zstd, lz4, bzip2 and lzma are known; an uncompressed vmlinux needs none.",
  });
};

/**
 * Writes what the payload of `source` holds into `target`, from its beginning.
 * @throws FlintlockError `failed_precondition` – the tool is not installed; `data_loss` – not exactly `bytes` came out
 */
export const decompress = async (
  source: FileHandle,
  { offset, length }: Payload,
  target: FileHandle,
  bytes: number,
  decompressor: Decompressor,
  signal: AbortSignal,
): Promise<void> => {
  const { tool, args, trailer } = decompressor;
  using limit = deadline(signal, TIMEOUT_MS, "decompressing the kernel");
  const child = spawn(tool, args, {
    stdio: ["pipe", "pipe", "pipe"],
    env: { LC_ALL: "C", PATH: process.env["PATH"] ?? "/usr/bin:/bin" },
  });
  const stop = (): void => void child.kill("SIGKILL");
  limit.signal.addEventListener("abort", stop, { once: true });
  let words = "";
  child.stderr.on("data", (chunk: Buffer) => {
    words = (words + chunk.toString("latin1")).slice(-MAX_WORDS);
  });
  const end = new Promise<number | null>((resolve, reject) => {
    child.once("error", (cause) => reject(missing(tool, cause)));
    child.once("close", resolve);
  });
  try {
    const [, written, code] = await Promise.all([
      // EPIPE: the tool has seen enough, and its end says what it made of it.
      pipeline(slice(source, offset, length - trailer), child.stdin).catch(() => undefined),
      writeAll(child.stdout, target, bytes).finally(() => child.stdout.destroyed || child.stdout.destroy()),
      end,
    ]);
    if (code !== 0) throw damaged(`${tool} says: ${words.trim() || `status ${code}`}`);
    if (written !== bytes) throw damaged(`it holds ${written} bytes instead of ${bytes}`);
  } catch (error) {
    limit.signal.throwIfAborted();
    throw error;
  } finally {
    limit.signal.removeEventListener("abort", stop);
    stop();
  }
};

const slice = (source: FileHandle, offset: number, length: number): Readable =>
  source.createReadStream({ start: offset, end: offset + length - 1, autoClose: false });

const writeAll = async (from: Readable, target: FileHandle, limit: number): Promise<number> => {
  let written = 0;
  for await (const chunk of from) {
    const bytes = chunk as Buffer;
    if (written + bytes.length > limit) throw damaged(`it holds more than the ${limit} bytes it says`);
    await target.write(bytes, 0, bytes.length, written);
    written += bytes.length;
  }
  return written;
};

const missing = (tool: string, cause: unknown): FlintlockError =>
  new FlintlockError("failed_precondition", `the kernel is compressed and ${tool} cannot be run`, {
    hint: `Install ${tool} (Debian and Ubuntu: ${tool === "xz" ? "xz-utils" : tool}), or give an uncompressed vmlinux.`,
    cause,
  });
