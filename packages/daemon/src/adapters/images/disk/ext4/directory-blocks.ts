import type { TreeNode } from "../layers/tree.ts";
import { BLOCK_SIZE } from "./layout.ts";

/** `file_type` of directory entries (Linux, Documentation/filesystems/ext4/directory.rst). */
const FILE_TYPES: Readonly<Record<TreeNode<unknown>["type"], number>> = {
  file: 1,
  directory: 2,
  char: 3,
  block: 4,
  fifo: 5,
  symlink: 7,
};
const HEADER_SIZE = 8;

export interface DirectoryEntry {
  /** Binary string, 1 to 255 bytes */
  readonly name: string;
  readonly inode: number;
  readonly type: TreeNode<unknown>["type"];
}

/** Packs entries into the blocks of a linear directory, at least `minBlocks`. `emit` must not keep its buffer. */
export const packDirectory = (
  entries: Iterable<DirectoryEntry>,
  minBlocks: number,
  emit: (block: Buffer) => void,
): void => {
  const block = Buffer.alloc(BLOCK_SIZE);
  let emitted = 0;
  let at = 0;
  let last = 0;
  const finishBlock = (): void => {
    // An entry's length reaches to the next one, the last one's to the end; inode 0 is a free entry.
    block.writeUInt16LE(BLOCK_SIZE - last, last + 4);
    emit(block);
    emitted++;
    block.fill(0);
    at = 0;
    last = 0;
  };
  for (const { name, inode, type } of entries) {
    const length = HEADER_SIZE + ((name.length + 3) & ~3);
    if (at + length > BLOCK_SIZE) finishBlock();
    block.writeUInt32LE(inode, at);
    block.writeUInt16LE(length, at + 4);
    block[at + 6] = name.length;
    block[at + 7] = FILE_TYPES[type];
    block.write(name, at + HEADER_SIZE, "latin1");
    last = at;
    at += length;
  }
  do finishBlock();
  while (emitted < minBlocks);
};
