/**
 * Does a kernel know ACPI? QEMU's microvm board describes its virtio devices either in ACPI tables or, without ACPI, on the
 * kernel's command line (CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES), never in both. Distributions' kernels want the
 * first, those built from Firecracker's older configurations, as upstream's images have them, the second.
 */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import type { Machine } from "@flintlock/core";

/** Prefix of the ACPI subsystem's messages: in every kernel that has it, and, tried on 6.1, in none that has not */
const ACPI_MARK = Buffer.from("ACPI: ");
const ELF_MAGIC = Buffer.from("\x7fELF", "latin1");

/**
 * Reads an uncompressed kernel (ELF) for the traces of ACPI; a compressed one (bzImage) cannot be read so and is taken
 * to have it. `acpi=off` among the VM's own kernel arguments decides for either.
 */
export const kernelHasAcpi = async ({ kernelPath, cmdline, guest }: Machine): Promise<boolean> => {
  if (cmdline["acpi"] === "off") return false;
  // Our own initrd comes with a kernel that we know.
  if (guest !== undefined || !(await isElf(kernelPath))) return true;
  let tail: Buffer = Buffer.alloc(0);
  for await (const chunk of createReadStream(kernelPath, { highWaterMark: 1024 * 1024 })) {
    const bytes = Buffer.concat([tail, chunk as Buffer]);
    if (bytes.includes(ACPI_MARK)) return true;
    tail = bytes.subarray(-ACPI_MARK.length);
  }
  return false;
};

const isElf = async (path: string): Promise<boolean> => {
  await using file = await open(path, "r");
  const { buffer, bytesRead } = await file.read(Buffer.alloc(ELF_MAGIC.length), 0, ELF_MAGIC.length, 0);
  return bytesRead === ELF_MAGIC.length && buffer.equals(ELF_MAGIC);
};
