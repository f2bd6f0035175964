import { BLOCK_SIZE, type BlockGroup, type Layout, readBytes, type WriteBytes } from "./layout.ts";

/** The file system has no block, or no inode, left. Whoever chose its size decides what that means. */
export class DiskFull extends Error {
  constructor(what: "blocks" | "inodes") {
    super(`the file system has no ${what} left`);
    this.name = "DiskFull";
  }
}

/**
 * Hands out blocks in rising order, from the last one given on, and from the start again at the end
 * ("next fit"). What is written in one go so lies in one piece.
 */
export class BlockAllocator {
  readonly #layout: Layout;
  readonly #fd: number;
  /** Bit per block, set when taken */
  readonly #taken: Buffer;
  #cursor = 0;
  #free = 0;

  constructor(fd: number, layout: Layout) {
    this.#fd = fd;
    this.#layout = layout;
    this.#taken = Buffer.alloc((layout.groups.length * layout.blocksPerGroup) / 8);
    for (const [index, group] of layout.groups.entries()) {
      this.#readBitmap(group).copy(this.#bitsOfGroup(index));
      this.#free += group.freeBlocks;
    }
  }

  /** @throws DiskFull */
  allocate(): number {
    if (this.#free === 0) throw new DiskFull("blocks");
    const taken = this.#taken;
    let block = this.#cursor;
    for (;;) {
      if (block >= this.#layout.blocks) block = 0;
      const bits = taken[block >> 3] ?? 0;
      if (bits === 0xff) block = (block | 7) + 1;
      else if ((bits & (1 << (block & 7))) !== 0) block++;
      else break;
    }
    taken[block >> 3] = (taken[block >> 3] ?? 0) | (1 << (block & 7));
    this.#cursor = block + 1;
    this.#account(block, -1);
    return block;
  }

  release(start: number, count: number): void {
    for (let block = start; block < start + count; block++) {
      const mask = 1 << (block & 7);
      const bits = this.#taken[block >> 3] ?? 0;
      if ((bits & mask) === 0) throw new Error(`block ${block} was given back twice`);
      this.#taken[block >> 3] = bits & ~mask;
      this.#account(block, 1);
    }
  }

  writeBitmaps(write: WriteBytes): void {
    for (const [index, group] of this.#layout.groups.entries()) {
      // What lies behind a group's last block stays as mke2fs set it.
      const bitmap = this.#readBitmap(group);
      this.#bitsOfGroup(index).copy(bitmap);
      write(bitmap, group.blockBitmap * BLOCK_SIZE);
    }
  }

  #readBitmap(group: BlockGroup): Buffer {
    return readBytes(this.#fd, group.blockBitmap * BLOCK_SIZE, BLOCK_SIZE);
  }

  #bitsOfGroup(index: number): Buffer {
    const bytes = this.#layout.blocksPerGroup / 8;
    return this.#taken.subarray(index * bytes, (index + 1) * bytes);
  }

  #account(block: number, change: 1 | -1): void {
    const group = this.#layout.groups[Math.floor(block / this.#layout.blocksPerGroup)];
    if (group === undefined) throw new Error(`block ${block} is not of this file system`);
    group.freeBlocks += change;
    this.#free += change;
  }
}
