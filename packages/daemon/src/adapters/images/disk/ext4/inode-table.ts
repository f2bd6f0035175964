import { DiskFull } from "./block-allocator.ts";
import {
  BLOCK_SIZE,
  INODE_SIZE,
  type Layout,
  LOST_FOUND_INODE,
  readBytes,
  type WriteBytes,
} from "./layout.ts";

/**
 * Numbers inodes, and writes them. Numbers rise from 12 on without gaps; records must come in rising order of
 * their numbers, so that each group's table is one write.
 */
export class InodeTable {
  readonly #fd: number;
  readonly #layout: Layout;
  readonly #write: WriteBytes;
  /** The first inodes of group 0, made by mke2fs: root, resize, journal, lost+found */
  readonly #first: Buffer;
  #last = LOST_FOUND_INODE;
  #group = 0;
  #table: Buffer;
  #usedBytes: number;

  constructor(fd: number, layout: Layout, write: WriteBytes) {
    this.#fd = fd;
    this.#layout = layout;
    this.#write = write;
    this.#first = readBytes(fd, this.#tablePosition(0), BLOCK_SIZE);
    this.#table = Buffer.alloc(layout.inodesPerGroup * INODE_SIZE);
    this.#first.copy(this.#table);
    this.#usedBytes = BLOCK_SIZE;
  }

  /** One of the inodes mke2fs made, as it is on the disk. */
  existing(inode: number): Buffer {
    return this.#first.subarray((inode - 1) * INODE_SIZE, inode * INODE_SIZE);
  }

  /** @throws DiskFull */
  allocate(isDirectory: boolean): number {
    if (this.#last === this.#layout.inodes) throw new DiskFull("inodes");
    const inode = ++this.#last;
    const group = this.#groupOf(inode);
    group.freeInodes--;
    if (isDirectory) group.usedDirectories++;
    return inode;
  }

  /** Zeroed bytes for the record of `inode`; good until the next call. */
  record(inode: number): Buffer {
    const group = Math.floor((inode - 1) / this.#layout.inodesPerGroup);
    if (group !== this.#group) {
      this.#writeGroup();
      this.#group = group;
      this.#table.fill(0);
      this.#usedBytes = 0;
    }
    const end = (((inode - 1) % this.#layout.inodesPerGroup) + 1) * INODE_SIZE;
    this.#usedBytes = Math.max(this.#usedBytes, Math.ceil(end / BLOCK_SIZE) * BLOCK_SIZE);
    return this.#table.subarray(end - INODE_SIZE, end).fill(0);
  }

  /** Writes what is still held back, and the bitmaps. */
  finish(): void {
    this.#writeGroup();
    for (const [index, group] of this.#layout.groups.entries()) {
      const used = Math.min(this.#last - index * this.#layout.inodesPerGroup, this.#layout.inodesPerGroup);
      if (used <= 0) return;
      const bits = readBytes(this.#fd, group.inodeBitmap * BLOCK_SIZE, BLOCK_SIZE);
      bits.fill(0xff, 0, used >> 3);
      if ((used & 7) !== 0) bits[used >> 3] = (bits[used >> 3] ?? 0) | ((1 << (used & 7)) - 1);
      this.#write(bits, group.inodeBitmap * BLOCK_SIZE);
    }
  }

  #writeGroup(): void {
    this.#write(this.#table.subarray(0, this.#usedBytes), this.#tablePosition(this.#group));
  }

  #tablePosition(group: number): number {
    const place = this.#layout.groups[group];
    if (place === undefined) throw new Error(`the file system has no group ${group}`);
    return place.inodeTable * BLOCK_SIZE;
  }

  #groupOf(inode: number) {
    const group = this.#layout.groups[Math.floor((inode - 1) / this.#layout.inodesPerGroup)];
    if (group === undefined) throw new Error(`inode ${inode} is not of this file system`);
    return group;
  }
}
