/**
 * Where a bzImage, the form in which distributions ship x86 kernels, has its compressed ELF. See the kernel's
 * Documentation/arch/x86/boot.rst. The file is a stranger's: every number is checked against the file's size.
 */
import { FlintlockError } from "@flintlock/core";

/** The setup header ends well below */
export const HEADER_BYTES = 0x270;
/** A vmlinux with everything built in and debug information stripped is below 100 MiB */
export const MAX_KERNEL_BYTES = 512 * 1024 * 1024;

const SECTOR_BYTES = 512;
const SETUP_SECTS = 0x1f1;
const BOOT_FLAG = 0x1fe;
const MAGIC = 0x202;
const VERSION = 0x206;
const PAYLOAD_OFFSET = 0x248;
const PAYLOAD_LENGTH = 0x24c;
/** The first whose header says where the payload is */
const MIN_VERSION = 0x0208;
/** Behind the compressed bytes, except for gzip, which ends with it anyway: how long they are uncompressed */
export const SIZE_BYTES = 4;

export interface Payload {
  readonly offset: number;
  readonly length: number;
}

export const isElf = (head: Buffer): boolean => head.subarray(0, 4).equals(Buffer.from("\x7fELF", "latin1"));

export const isBzImage = (head: Buffer): boolean =>
  head.length >= HEADER_BYTES &&
  head.readUInt16LE(BOOT_FLAG) === 0xaa55 &&
  head.subarray(MAGIC, MAGIC + 4).equals(Buffer.from("HdrS"));

/** @throws FlintlockError `data_loss` – a header that cannot be true; `unsupported` – of before Linux 2.6.24 */
export const payloadOf = (head: Buffer, fileBytes: number): Payload => {
  const version = head.readUInt16LE(VERSION);
  if (version < MIN_VERSION) {
    throw new FlintlockError(
      "unsupported",
      `the kernel has boot protocol ${version >> 8}.${version & 0xff}, which does not say where its ELF is`,
    );
  }
  // COMPAT: 0 stands for 4.
  const setupSectors = head.readUInt8(SETUP_SECTS) || 4;
  const offset = (setupSectors + 1) * SECTOR_BYTES + head.readUInt32LE(PAYLOAD_OFFSET);
  const length = head.readUInt32LE(PAYLOAD_LENGTH);
  if (length <= 2 * SIZE_BYTES || offset + length > fileBytes) {
    throw damaged("its header points outside of the file");
  }
  return { offset, length };
};

/** @throws FlintlockError `data_loss` – no x86-64 program */
export const checkElf = (head: Buffer): void => {
  // 64 bits, little endian, an executable or a shared object, EM_X86_64: elf(5)
  const isKernel =
    isElf(head) &&
    head.length >= 20 &&
    head.readUInt16LE(4) === 0x0102 &&
    [2, 3].includes(head.readUInt16LE(16)) &&
    head.readUInt16LE(18) === 62;
  if (!isKernel) throw damaged("what is in it is not an ELF for x86-64");
};

export const damaged = (what: string): FlintlockError =>
  new FlintlockError("data_loss", `the kernel image is damaged: ${what}`, {
    hint: "Give another kernel, or an uncompressed one (vmlinux).",
  });
