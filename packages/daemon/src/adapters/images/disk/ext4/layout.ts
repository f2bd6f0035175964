import { readSync } from "node:fs";

/** Fixed by the arguments `empty-filesystem.ts` gives to mke2fs. */
export const BLOCK_SIZE = 4096;
export const INODE_SIZE = 256;
export const ROOT_INODE = 2;
export const LOST_FOUND_INODE = 11;
const DESCRIPTOR_SIZE = 32;
const SUPERBLOCK_OFFSET = 1024;
const SUPERBLOCK_SIZE = 1024;
const MAGIC = 0xef53;

/** A block group's place and counts (Linux, Documentation/filesystems/ext4/group_descr.rst). */
export interface BlockGroup {
  readonly blockBitmap: number;
  readonly inodeBitmap: number;
  readonly inodeTable: number;
  freeBlocks: number;
  freeInodes: number;
  usedDirectories: number;
}

/** Superblock and group descriptors of a file system, as far as filling it needs them. */
export interface Layout {
  readonly blocks: number;
  /** 32,768, or less where mke2fs would else have made a last group too small for its own tables */
  readonly blocksPerGroup: number;
  readonly inodes: number;
  readonly inodesPerGroup: number;
  readonly groups: readonly BlockGroup[];
}

/** Reads the layout. Throws when the file system is not of the one form this code fills. */
export const readLayout = (fd: number): Layout => {
  const superblock = readBytes(fd, SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE);
  const blocksPerGroup = superblock.readUInt32LE(32);
  const isExpected =
    superblock.readUInt16LE(56) === MAGIC &&
    1024 << superblock.readUInt32LE(24) === BLOCK_SIZE &&
    superblock.readUInt32LE(20) === 0 &&
    blocksPerGroup % 8 === 0 &&
    blocksPerGroup <= BLOCK_SIZE * 8 &&
    superblock.readUInt32LE(84) === LOST_FOUND_INODE &&
    superblock.readUInt16LE(88) === INODE_SIZE &&
    // extents, file types and flex_bg; no 64-bit descriptors, no checksums
    superblock.readUInt32LE(96) === 0x242 &&
    (superblock.readUInt32LE(100) & 0x410) === 0;
  if (!isExpected) throw new Error("mke2fs made a file system of another form than asked for");
  const blocks = superblock.readUInt32LE(4);
  const groupCount = Math.ceil(blocks / blocksPerGroup);
  const table = readBytes(fd, BLOCK_SIZE, groupCount * DESCRIPTOR_SIZE);
  const groups: BlockGroup[] = [];
  for (let at = 0; at < table.length; at += DESCRIPTOR_SIZE) {
    groups.push({
      blockBitmap: table.readUInt32LE(at),
      inodeBitmap: table.readUInt32LE(at + 4),
      inodeTable: table.readUInt32LE(at + 8),
      freeBlocks: table.readUInt16LE(at + 12),
      freeInodes: table.readUInt16LE(at + 14),
      usedDirectories: table.readUInt16LE(at + 16),
    });
  }
  return {
    blocks,
    blocksPerGroup,
    inodes: superblock.readUInt32LE(0),
    inodesPerGroup: superblock.readUInt32LE(40),
    groups,
  };
};

/** Writes the groups' counts, and their sums, back to the primary superblock and descriptors. */
export const writeCounts = (fd: number, layout: Layout, write: WriteBytes): void => {
  const table = readBytes(fd, BLOCK_SIZE, layout.groups.length * DESCRIPTOR_SIZE);
  let freeBlocks = 0;
  let freeInodes = 0;
  for (const [index, group] of layout.groups.entries()) {
    const at = index * DESCRIPTOR_SIZE;
    table.writeUInt16LE(group.freeBlocks, at + 12);
    table.writeUInt16LE(group.freeInodes, at + 14);
    table.writeUInt16LE(group.usedDirectories, at + 16);
    freeBlocks += group.freeBlocks;
    freeInodes += group.freeInodes;
  }
  write(table, BLOCK_SIZE);
  const superblock = readBytes(fd, SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE);
  superblock.writeUInt32LE(freeBlocks, 12);
  superblock.writeUInt32LE(freeInodes, 16);
  write(superblock, SUPERBLOCK_OFFSET);
};

export type WriteBytes = (bytes: Uint8Array, position: number) => void;

export const readBytes = (fd: number, position: number, length: number): Buffer => {
  const bytes = Buffer.alloc(length);
  for (let done = 0; done < length; ) {
    const count = readSync(fd, bytes, done, length - done, position + done);
    if (count === 0) throw new Error("the disk image ends early");
    done += count;
  }
  return bytes;
};
