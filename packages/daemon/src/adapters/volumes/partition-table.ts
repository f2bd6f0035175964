/** A GUID partition table with one partition that takes all of the disk but the table itself (UEFI specification, chapter 5). */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";

const SECTOR = 512;
const ENTRIES = 128;
const ENTRY_BYTES = 128;
const ENTRY_SECTORS = (ENTRIES * ENTRY_BYTES) / SECTOR;
const HEADER_BYTES = 92;
/** "Linux filesystem data" */
const LINUX_DATA = "0fc63daf-8483-4772-8e79-3d69d8477de4";

/** Before the partition, and as much after it: a mebibyte, which every partitioning tool aligns to. */
export const MARGIN_BYTES = 1024 * 1024;

export interface PartitionTable {
  /** Of the whole disk */
  readonly sizeBytes: number;
  /** What is written where; the rest is the partition, or zero */
  readonly parts: readonly { readonly offset: number; readonly bytes: Uint8Array }[];
}

/** `partitionBytes` is a multiple of 512; `uuid` in its text form. The same input gives the same bytes. */
export const partitionTable = (partitionBytes: number, uuid: string): PartitionTable => {
  const sizeBytes = partitionBytes + 2 * MARGIN_BYTES;
  const lastSector = sizeBytes / SECTOR - 1;
  const first = MARGIN_BYTES / SECTOR;
  const entries = Buffer.alloc(ENTRIES * ENTRY_BYTES);
  guid(LINUX_DATA).copy(entries, 0);
  guid(uuid).copy(entries, 16);
  entries.writeBigUInt64LE(BigInt(first), 32);
  entries.writeBigUInt64LE(BigInt(first + partitionBytes / SECTOR - 1), 40);
  const header = (own: number, other: number, entriesAt: number): Buffer =>
    headerOf({ own, other, entriesAt, lastSector, entries, disk: diskUuid(uuid) });
  const backupEntries = lastSector - ENTRY_SECTORS;
  return {
    sizeBytes,
    parts: [
      { offset: 0, bytes: protectiveMbr(lastSector) },
      { offset: SECTOR, bytes: header(1, lastSector, 2) },
      { offset: 2 * SECTOR, bytes: entries },
      { offset: backupEntries * SECTOR, bytes: entries },
      { offset: lastSector * SECTOR, bytes: header(lastSector, 1, backupEntries) },
    ],
  };
};

interface Header {
  /** Sector of this header */
  readonly own: number;
  readonly other: number;
  readonly entriesAt: number;
  readonly lastSector: number;
  readonly entries: Buffer;
  readonly disk: string;
}

const headerOf = ({ own, other, entriesAt, lastSector, entries, disk }: Header): Buffer => {
  const bytes = Buffer.alloc(SECTOR);
  bytes.write("EFI PART", 0, "latin1");
  bytes.writeUInt32LE(0x00010000, 8);
  bytes.writeUInt32LE(HEADER_BYTES, 12);
  bytes.writeBigUInt64LE(BigInt(own), 24);
  bytes.writeBigUInt64LE(BigInt(other), 32);
  bytes.writeBigUInt64LE(BigInt(2 + ENTRY_SECTORS), 40); // First and last that partitions may use
  bytes.writeBigUInt64LE(BigInt(lastSector - 1 - ENTRY_SECTORS), 48);
  guid(disk).copy(bytes, 56);
  bytes.writeBigUInt64LE(BigInt(entriesAt), 72);
  bytes.writeUInt32LE(ENTRIES, 80);
  bytes.writeUInt32LE(ENTRY_BYTES, 84);
  bytes.writeUInt32LE(crc32(entries), 88);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, HEADER_BYTES)), 16);
  return bytes;
};

/** One partition of type 0xEE over the whole disk keeps tools that know no GPT from it. */
const protectiveMbr = (lastSector: number): Buffer => {
  const bytes = Buffer.alloc(SECTOR);
  bytes.set([0x00, 0x00, 0x02, 0x00, 0xee, 0xff, 0xff, 0xff], 446);
  bytes.writeUInt32LE(1, 454);
  bytes.writeUInt32LE(Math.min(lastSector, 0xffff_ffff), 458);
  bytes.set([0x55, 0xaa], 510);
  return bytes;
};

/** The first three groups are little-endian numbers, the rest are bytes. */
const guid = (uuid: string): Buffer => {
  const raw = Buffer.from(uuid.replaceAll("-", ""), "hex");
  raw.subarray(0, 4).reverse();
  raw.subarray(4, 6).reverse();
  raw.subarray(6, 8).reverse();
  return raw;
};

const diskUuid = (partition: string): string =>
  createHash("sha256").update(`disk of ${partition}`).digest("hex").slice(0, 32);
