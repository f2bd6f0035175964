/**
 * Kernels as Firecracker loads them. An uncompressed one (ELF; on arm64 an Image) is used as it is; the ELF of a bzImage
 * is taken out once and kept under a name made of the file's identity.
 */
import { createHash, randomUUID } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { FlintlockError } from "@flintlock/core";
import { readAt } from "../../shared/file-bytes.ts";
import { createKeyedLock } from "../../shared/keyed-lock.ts";
import {
  checkElf,
  damaged,
  HEADER_BYTES,
  isBzImage,
  isElf,
  MAX_KERNEL_BYTES,
  payloadOf,
  SIZE_BYTES,
} from "./boot-protocol.ts";
import { decompress, decompressorFor } from "./decompressor.ts";

/** The least recently used go first; a VMM has read its kernel long before */
const MAX_KEPT = 16;
/** Longer than any extraction takes */
const ABANDONED_MS = 600_000;
const KEPT_NAME = /^[0-9a-f]{32}\.elf$/;
/** Of an arm64 kernel (Documentation/arch/arm64/booting.rst) */
const ARM64_MAGIC = { offset: 56, bytes: Buffer.from("ARM\x64") };

export interface Kernels {
  /**
   * The path of a file that Firecracker loads.
   * @throws FlintlockError `data_loss`, `unsupported`, `failed_precondition` – no kernel, an unknown form, a tool missing
   */
  loadable(path: string, signal: AbortSignal): Promise<string>;
}

/** `directory` is made when first needed, and is nobody else's. */
export const createKernels = (directory: string): Kernels => {
  const lock = createKeyedLock();

  const extracted = async (source: FileHandle, head: Buffer, signal: AbortSignal): Promise<string> => {
    const target = join(directory, `${await identityOf(source)}.elf`);
    if (await isThere(target)) return target;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const temporary = join(directory, `.${randomUUID()}.tmp`);
    try {
      await extract(source, head, temporary, signal);
      await rename(temporary, target);
    } finally {
      await rm(temporary, { force: true });
    }
    await prune(directory);
    return target;
  };

  return {
    async loadable(path, signal) {
      await using source = await open(path, "r");
      const head = await readAt(source, 0, HEADER_BYTES);
      if (isElf(head) || isArm64(head)) return path;
      if (!isBzImage(head)) {
        throw new FlintlockError("unsupported", "the kernel is neither an ELF (vmlinux) nor a bzImage", {
          hint: "Give the kernel in one of these forms.",
        });
      }
      return await lock.run(path, () => extracted(source, head, signal));
    },
  };
};

const extract = async (
  source: FileHandle,
  head: Buffer,
  path: string,
  signal: AbortSignal,
): Promise<void> => {
  const payload = payloadOf(head, (await source.stat()).size);
  const start = await readAt(source, payload.offset, 8);
  const size = (
    await readAt(source, payload.offset + payload.length - SIZE_BYTES, SIZE_BYTES)
  ).readUInt32LE();
  if (size === 0 || size > MAX_KERNEL_BYTES) throw damaged(`it says that it holds ${size} bytes`);
  await using target = await open(path, "wx+", 0o600);
  await decompress(source, payload, target, size, decompressorFor(start), signal);
  checkElf(await readAt(target, 0, 64));
  // Whatever the daemon's umask: the user of a jail reads it too (jail/jail-files.ts).
  await target.chmod(0o444);
  await target.sync();
};

/** Another file has another, and so has the same one after each change. */
const identityOf = async (source: FileHandle): Promise<string> => {
  const { dev, ino, size, mtimeNs, ctimeNs } = await source.stat({ bigint: true });
  const text = [dev, ino, size, mtimeNs, ctimeNs].join(" ");
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
};

/** And is in use again. */
const isThere = async (path: string): Promise<boolean> => {
  const now = new Date();
  return await utimes(path, now, now).then(
    () => true,
    () => false,
  );
};

const prune = async (directory: string): Promise<void> => {
  const kept: { readonly path: string; readonly usedAt: number }[] = [];
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    const found = await stat(path).catch(() => undefined);
    if (found === undefined) continue;
    if (KEPT_NAME.test(name)) kept.push({ path, usedAt: found.mtimeMs });
    // A daemon was killed while it wrote it.
    else if (Date.now() - found.mtimeMs > ABANDONED_MS) await rm(path, { force: true });
  }
  kept.sort((a, b) => b.usedAt - a.usedAt);
  for (const { path } of kept.slice(MAX_KEPT)) await rm(path, { force: true });
};

const isArm64 = (head: Buffer): boolean =>
  head.subarray(ARM64_MAGIC.offset, ARM64_MAGIC.offset + ARM64_MAGIC.bytes.length).equals(ARM64_MAGIC.bytes);
