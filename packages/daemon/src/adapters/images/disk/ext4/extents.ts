import { BLOCK_SIZE } from "./layout.ts";

/**
 * Where the blocks of a file lie: triples of (first block in the file, first block on the disk, count), in the
 * file's order. A flat list, for there may be millions of files with one triple each.
 */
export type Extents = number[];

/** More would mean "allocated, but reads as zeros" (Linux, Documentation/filesystems/ext4/ifork.rst). */
const MAX_EXTENT_BLOCKS = 32_768;
const HEADER_SIZE = 12;
const ENTRY_SIZE = 12;
const MAGIC = 0xf30a;
/** An inode has 60 bytes for the root of the tree. */
export const ROOT_SIZE = 60;
const ROOT_ENTRIES = (ROOT_SIZE - HEADER_SIZE) / ENTRY_SIZE;
const NODE_ENTRIES = Math.floor((BLOCK_SIZE - HEADER_SIZE) / ENTRY_SIZE);

/** Notes that block `logical` of the file, later than all so far, lies at `physical`. */
export const appendBlock = (extents: Extents, logical: number, physical: number): void => {
  const last = extents.length - 3;
  const count = extents[last + 2] ?? 0;
  const isNext = extents[last] === logical - count && extents[last + 1] === physical - count;
  if (last >= 0 && isNext && count < MAX_EXTENT_BLOCKS) extents[last + 2] = count + 1;
  else extents.push(logical, physical, 1);
};

export const countBlocks = (extents: Extents): number => {
  let count = 0;
  for (let i = 2; i < extents.length; i += 3) count += extents[i] ?? 0;
  return count;
};

/** One entry of a node: a run of blocks in a leaf, a lower node in an index. */
interface TreeEntry {
  readonly logical: number;
  readonly physical: number;
  /** 0 in an index */
  readonly count: number;
}

/** Gives a new block of the disk these bytes, and returns its number. */
export type StoreBlock = (bytes: Buffer) => number;

/**
 * Writes the extent tree's root into `root` (60 bytes), and what does not fit there into blocks by `store`.
 * Returns the number of those blocks.
 */
export const writeExtentTree = (extents: Extents, root: Buffer, store: StoreBlock): number => {
  let entries: TreeEntry[] = [];
  for (let i = 0; i < extents.length; i += 3) {
    entries.push({ logical: extents[i] ?? 0, physical: extents[i + 1] ?? 0, count: extents[i + 2] ?? 0 });
  }
  let depth = 0;
  let blocks = 0;
  for (; entries.length > ROOT_ENTRIES; depth++) {
    const upper: TreeEntry[] = [];
    for (let i = 0; i < entries.length; i += NODE_ENTRIES) {
      const node = Buffer.alloc(BLOCK_SIZE);
      const part = entries.slice(i, i + NODE_ENTRIES);
      writeNode(node, part, depth, NODE_ENTRIES);
      upper.push({ logical: part[0]?.logical ?? 0, physical: store(node), count: 0 });
      blocks++;
    }
    entries = upper;
  }
  writeNode(root, entries, depth, ROOT_ENTRIES);
  return blocks;
};

const writeNode = (node: Buffer, entries: readonly TreeEntry[], depth: number, room: number): void => {
  node.writeUInt16LE(MAGIC, 0);
  node.writeUInt16LE(entries.length, 2);
  node.writeUInt16LE(room, 4);
  node.writeUInt16LE(depth, 6);
  let at = HEADER_SIZE;
  for (const { logical, physical, count } of entries) {
    node.writeUInt32LE(logical, at);
    // A disk here has fewer than 2^32 blocks: the upper 16 bits of a block's number stay zero.
    if (depth === 0) {
      node.writeUInt16LE(count, at + 4);
      node.writeUInt32LE(physical, at + 8);
    } else {
      node.writeUInt32LE(physical, at + 4);
    }
    at += ENTRY_SIZE;
  }
};
