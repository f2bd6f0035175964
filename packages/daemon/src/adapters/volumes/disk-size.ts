/** How long a disk is to its guest, and making a raw one longer. */
import { open } from "node:fs/promises";
import type { Disk } from "@flintlock/core";

/** `QFI\xfb`, and the disk's size in bytes, big endian (QEMU: docs/interop/qcow2.txt) */
const QCOW2_MAGIC = 0x514649fb;
const QCOW2_SIZE_OFFSET = 24;
const QCOW2_HEADER_BYTES = 32;

/** Undefined when there is no such file, or it is not of its format. */
export const diskBytes = async ({
  path,
  format,
}: Pick<Disk, "path" | "format">): Promise<number | undefined> => {
  try {
    await using file = await open(path, "r");
    if (format === "raw") return (await file.stat()).size;
    const header = Buffer.alloc(QCOW2_HEADER_BYTES);
    const { bytesRead } = await file.read(header, 0, header.length, 0);
    if (bytesRead < header.length || header.readUInt32BE(0) !== QCOW2_MAGIC) return undefined;
    return Number(header.readBigUInt64BE(QCOW2_SIZE_OFFSET));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
};

/** A hole at its end; one that is longer stays so. */
export const growFile = async (path: string, sizeBytes: number): Promise<void> => {
  await using file = await open(path, "r+");
  if ((await file.stat()).size >= sizeBytes) return;
  await file.truncate(sizeBytes);
  await file.sync();
};
