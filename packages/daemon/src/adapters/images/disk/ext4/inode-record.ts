import type { TreeNode } from "../layers/tree.ts";
import { INODE_SIZE } from "./layout.ts";

/** `i_mode`'s upper four bits */
const TYPE_BITS: Readonly<Record<TreeNode<unknown>["type"], number>> = {
  fifo: 0x1000,
  char: 0x2000,
  directory: 0x4000,
  block: 0x6000,
  file: 0x8000,
  symlink: 0xa000,
};
const EXTRA_SIZE = 32;
/** What an inode has left for extended attributes, and where. */
export const XATTR_OFFSET = 128 + EXTRA_SIZE;
export const XATTR_BYTES = INODE_SIZE - XATTR_OFFSET;
export const BLOCK_FIELD_OFFSET = 40;
export const EXTENTS_FLAG = 0x8_0000;
/** More names cannot be counted; a directory's count then reads 1 (feature `dir_nlink`). */
export const MAX_LINKS = 65_000;
const SECTORS_PER_BLOCK = 8;
/** Times are 34 bits of seconds from 1901 on. */
const MIN_SECONDS = -(2 ** 31);
const MAX_SECONDS = 2 ** 34 - 2 ** 31 - 1;

export interface InodeFields {
  readonly type: TreeNode<unknown>["type"];
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
  readonly links: number;
  /** Bytes */
  readonly size: number;
  /** Blocks of the disk it takes, with extent tree and attributes */
  readonly blocks: number;
  readonly flags: number;
  /** Number of the block with its attributes, or 0 */
  readonly xattrBlock: number;
}

/** Writes the fields of an inode (Linux, Documentation/filesystems/ext4/inodes.rst) into zeroed bytes. */
export const writeInodeRecord = (record: Buffer, fields: InodeFields): void => {
  const { seconds, extra } = encodeTime(fields.mtime);
  const sectors = fields.blocks * SECTORS_PER_BLOCK;
  record.writeUInt16LE(TYPE_BITS[fields.type] | fields.mode, 0);
  record.writeUInt16LE(fields.uid & 0xffff, 2);
  record.writeUInt32LE(fields.size % 2 ** 32, 4);
  for (const offset of [8, 12, 16, 144]) record.writeInt32LE(seconds, offset); // access, change, modify, create
  record.writeUInt16LE(fields.gid & 0xffff, 24);
  record.writeUInt16LE(fields.links, 26);
  record.writeUInt32LE(sectors % 2 ** 32, 28);
  record.writeUInt32LE(fields.flags, 32);
  record.writeUInt32LE(fields.xattrBlock, 104);
  record.writeUInt32LE(Math.floor(fields.size / 2 ** 32), 108);
  record.writeUInt16LE(Math.floor(sectors / 2 ** 32), 116);
  record.writeUInt16LE(fields.uid >>> 16, 120);
  record.writeUInt16LE(fields.gid >>> 16, 122);
  record.writeUInt16LE(EXTRA_SIZE, 128);
  for (const offset of [132, 136, 140, 148]) record.writeUInt32LE(extra, offset);
};

/** Seconds as a signed 32-bit number, and in `extra` two more bits of them and the nanoseconds. */
const encodeTime = (time: number): { readonly seconds: number; readonly extra: number } => {
  const whole = Math.floor(time);
  const clamped = Math.min(Math.max(whole, MIN_SECONDS), MAX_SECONDS);
  const nanoseconds = clamped === whole ? Math.floor((time - whole) * 1e9) : 0;
  const seconds = clamped | 0;
  const epoch = (clamped - seconds) / 2 ** 32;
  return { seconds, extra: ((nanoseconds << 2) | epoch) >>> 0 };
};

/** The two forms of a device number in `i_block`: 8:8 bits where that does, else 12:20. */
export const writeDevice = (record: Buffer, major: number, minor: number): void => {
  if (major < 256 && minor < 256) record.writeUInt32LE((major << 8) | minor, BLOCK_FIELD_OFFSET);
  else {
    const wide = ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
    record.writeUInt32LE(wide, BLOCK_FIELD_OFFSET + 4);
  }
};
