/**
 * Extended attributes as ext4 keeps them (Linux, Documentation/filesystems/ext4/attributes.rst): in what the
 * inode has left of its 256 bytes, and where that does not do, in one block of their own.
 */
import { FlintlockError } from "@flintlock/core";
import { quoteName } from "../tar/tar-entry.ts";
import { BLOCK_SIZE } from "./layout.ts";
import { toStoredAcl } from "./posix-acl.ts";

const MAGIC = 0xea02_0000;
const BLOCK_HEADER_SIZE = 32;
const INODE_HEADER_SIZE = 4;
const ENTRY_SIZE = 16;
const END_MARK_SIZE = 4;
const MAX_NAME_BYTES = 255;

const PREFIXES = [
  { prefix: "user.", index: 1 },
  { prefix: "trusted.", index: 4 },
  { prefix: "security.", index: 6 },
] as const;
const ACL_INDEXES: Readonly<Record<string, number>> = {
  "system.posix_acl_access": 2,
  "system.posix_acl_default": 3,
};

interface StoredXattr {
  /** Stands for the name's prefix */
  readonly index: number;
  readonly name: Buffer;
  readonly value: Uint8Array;
}

export interface XattrPlaces {
  /** Written to the end of the inode; undefined when it holds none */
  readonly inInode: Buffer | undefined;
  readonly inBlock: Buffer | undefined;
}

const NOWHERE: XattrPlaces = { inInode: undefined, inBlock: undefined };

/**
 * Encodes attributes for an inode with `inodeBytes` to spare. Those of namespaces no ext4 has are left out, as
 * other unpackers do on Linux.
 * @throws FlintlockError `unsupported` – they do not fit; `data_loss` – an ACL is malformed
 */
export const placeXattrs = (xattrs: ReadonlyMap<string, Uint8Array>, inodeBytes: number): XattrPlaces => {
  if (xattrs.size === 0) return NOWHERE;
  const inInode: StoredXattr[] = [];
  const inBlock: StoredXattr[] = [];
  let inodeLeft = inodeBytes - INODE_HEADER_SIZE - END_MARK_SIZE;
  let blockLeft = BLOCK_SIZE - BLOCK_HEADER_SIZE - END_MARK_SIZE;
  for (const xattr of [...xattrs].flatMap(toStored).sort(inStoredOrder)) {
    const size = ENTRY_SIZE + padded(xattr.name.length) + padded(xattr.value.length);
    if (size <= inodeLeft) {
      inInode.push(xattr);
      inodeLeft -= size;
    } else if (size <= blockLeft) {
      inBlock.push(xattr);
      blockLeft -= size;
    } else {
      throw new FlintlockError("unsupported", "its extended attributes are larger than ext4 can hold");
    }
  }
  return {
    inInode: inInode.length === 0 ? undefined : encodeForInode(inInode, inodeBytes),
    inBlock: inBlock.length === 0 ? undefined : encodeBlock(inBlock),
  };
};

const toStored = ([fullName, value]: readonly [string, Uint8Array]): StoredXattr[] => {
  const aclIndex = Object.hasOwn(ACL_INDEXES, fullName) ? ACL_INDEXES[fullName] : undefined;
  if (aclIndex !== undefined) return [{ index: aclIndex, name: Buffer.alloc(0), value: toStoredAcl(value) }];
  for (const { prefix, index } of PREFIXES) {
    if (!fullName.startsWith(prefix)) continue;
    const name = Buffer.from(fullName.slice(prefix.length), "latin1");
    if (name.length === 0 || name.length > MAX_NAME_BYTES || name.includes(0)) {
      throw new FlintlockError("data_loss", `${quoteName(fullName)} is no name of an extended attribute`);
    }
    return [{ index, name, value }];
  }
  return [];
};

/** The kernel searches a block's entries in this order. */
const inStoredOrder = (a: StoredXattr, b: StoredXattr): number =>
  a.index - b.index || a.name.length - b.name.length || a.name.compare(b.name);

const encodeForInode = (xattrs: readonly StoredXattr[], size: number): Buffer => {
  const area = Buffer.alloc(size);
  area.writeUInt32LE(MAGIC, 0);
  // Offsets count from the first entry, and hashes are not looked at.
  writeEntries(area.subarray(INODE_HEADER_SIZE), 0, xattrs, () => 0);
  return area;
};

const encodeBlock = (xattrs: readonly StoredXattr[]): Buffer => {
  const block = Buffer.alloc(BLOCK_SIZE);
  const hashes = xattrs.map(entryHash);
  block.writeUInt32LE(MAGIC, 0);
  block.writeUInt32LE(1, 4); // inodes that use the block
  block.writeUInt32LE(1, 8); // blocks
  block.writeUInt32LE(blockHash(hashes), 12);
  writeEntries(block, BLOCK_HEADER_SIZE, xattrs, (i) => hashes[i] ?? 0);
  return block;
};

/** Entries grow from `start` upwards, their values from the end of `area` downwards. */
const writeEntries = (
  area: Buffer,
  start: number,
  xattrs: readonly StoredXattr[],
  hashOf: (index: number) => number,
): void => {
  let at = start;
  let valueEnd = area.length;
  for (const [i, { index, name, value }] of xattrs.entries()) {
    valueEnd -= padded(value.length);
    area[at] = name.length;
    area[at + 1] = index;
    area.writeUInt16LE(value.length === 0 ? 0 : valueEnd, at + 2);
    area.writeUInt32LE(value.length, at + 8);
    area.writeUInt32LE(hashOf(i), at + 12);
    area.set(name, at + ENTRY_SIZE);
    area.set(value, valueEnd);
    at += ENTRY_SIZE + padded(name.length);
  }
};

/** The kernel's ext4_xattr_hash_entry: over the name's bytes, then the value's little-endian words. */
const entryHash = ({ name, value }: StoredXattr): number => {
  let hash = 0;
  for (const byte of name) hash = rotate(hash, 5) ^ byte;
  const words = Buffer.alloc(padded(value.length));
  words.set(value);
  for (let at = 0; at < words.length; at += 4) hash = rotate(hash, 16) ^ words.readUInt32LE(at);
  return hash >>> 0;
};

const blockHash = (hashes: readonly number[]): number => {
  // Zero says "do not share this block", and so does one entry without a hash.
  if (hashes.includes(0)) return 0;
  let hash = 0;
  for (const entry of hashes) hash = rotate(hash, 16) ^ entry;
  return hash >>> 0;
};

const rotate = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits));

const padded = (length: number): number => (length + 3) & ~3;
