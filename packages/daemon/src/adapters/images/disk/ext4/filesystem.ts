/**
 * Fills an empty ext4 file system, made by `empty-filesystem.ts`, through its image file alone: no mount, no
 * privileges, and no name from an image is ever a path of the host.
 *
 * Data is written once, as it streams by (`writeFile`), into blocks in rising order; a file that a later layer
 * replaces gives its blocks back. Names, inodes and bitmaps follow at the end (`finish`), from the merged tree.
 *
 * INVARIANTS:
 * - the journal is empty and stays so: nothing here needs a replay.
 * - what is written depends on the layers alone, not on clock or host: same layers, same bytes.
 */
import type { FileTree } from "../layers/tree.ts";
import { BlockAllocator } from "./block-allocator.ts";
import { BlockWriter } from "./block-writer.ts";
import type { Extents } from "./extents.ts";
import { FileData } from "./file-data.ts";
import { BLOCK_FIELD_OFFSET } from "./inode-record.ts";
import { InodeTable } from "./inode-table.ts";
import {
  type Layout,
  LOST_FOUND_INODE,
  ROOT_INODE,
  readLayout,
  type WriteBytes,
  writeCounts,
} from "./layout.ts";
import { TreeWriter } from "./tree-writer.ts";

export class Ext4Filesystem {
  readonly #fd: number;
  readonly #layout: Layout;
  readonly #allocator: BlockAllocator;
  readonly #writer: BlockWriter;
  readonly #data: FileData;
  readonly #inodes: InodeTable;

  constructor(fd: number) {
    this.#fd = fd;
    this.#layout = readLayout(fd);
    this.#allocator = new BlockAllocator(fd, this.#layout);
    this.#writer = new BlockWriter(fd);
    this.#data = new FileData(this.#allocator, this.#writer);
    this.#inodes = new InodeTable(fd, this.#layout, this.#write);
    // Both are written anew, with what the image has in them.
    for (const inode of [ROOT_INODE, LOST_FOUND_INODE]) this.#releaseBlocks(this.#inodes.existing(inode));
  }

  /** @throws DiskFull */
  writeFile(body: AsyncIterable<Uint8Array>): Promise<Extents> {
    return this.#data.write(body);
  }

  releaseFile(extents: Extents): void {
    this.#data.release(extents);
  }

  /**
   * Writes the tree, whose files were written here. Nothing may follow.
   * @throws DiskFull; FlintlockError `unsupported`, `data_loss` – ext4 cannot hold an entry; the message names it
   */
  finish(tree: FileTree<Extents>): void {
    new TreeWriter(this.#data, this.#inodes).write(tree);
    this.#inodes.finish();
    this.#writer.flush();
    this.#allocator.writeBitmaps(this.#write);
    writeCounts(this.#fd, this.#layout, this.#write);
  }

  readonly #write: WriteBytes = (bytes, position) => this.#writer.writeAt(bytes, position);

  /** Of an inode mke2fs made, whose few extents lie in the inode itself. */
  #releaseBlocks(record: Buffer): void {
    const count = record.readUInt16LE(BLOCK_FIELD_OFFSET + 2);
    for (let i = 0; i < count; i++) {
      const at = BLOCK_FIELD_OFFSET + 12 * (i + 1);
      this.#allocator.release(record.readUInt32LE(at + 8), record.readUInt16LE(at + 4));
    }
  }
}
