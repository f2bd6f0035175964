import { crc32 } from "node:zlib";
import { expect, test } from "vitest";
import { MARGIN_BYTES, partitionTable } from "./partition-table.ts";

const UUID = "01234567-89ab-cdef-0123-456789abcdef";
const PARTITION = 8 * 1024 * 1024;

test("both headers agree on one partition with the UUID, and their checksums hold", () => {
  const { sizeBytes, parts } = partitionTable(PARTITION, UUID);
  const disk = Buffer.alloc(sizeBytes);
  for (const { offset, bytes } of parts) disk.set(bytes, offset);
  const last = sizeBytes / 512 - 1;
  for (const own of [1, last]) {
    const header = Buffer.from(disk.subarray(own * 512, own * 512 + 92));
    const entries = disk.subarray(Number(header.readBigUInt64LE(72)) * 512).subarray(0, 128 * 128);
    expect(header.toString("latin1", 0, 8)).toBe("EFI PART");
    expect([Number(header.readBigUInt64LE(24)), Number(header.readBigUInt64LE(32))]).toEqual([
      own,
      own === 1 ? last : 1,
    ]);
    expect(header.readUInt32LE(88)).toBe(crc32(entries));
    const sum = header.readUInt32LE(16);
    header.writeUInt32LE(0, 16);
    expect(crc32(header)).toBe(sum);
    expect(entries.subarray(16, 32).toString("hex")).toBe("67452301ab89efcd0123456789abcdef");
    expect(Number(entries.readBigUInt64LE(32)) * 512).toBe(MARGIN_BYTES);
    expect((Number(entries.readBigUInt64LE(40)) + 1) * 512).toBe(MARGIN_BYTES + PARTITION);
  }
  expect([disk[450], disk.readUInt16BE(510)]).toEqual([0xee, 0x55aa]);
});
