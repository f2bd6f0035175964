import { FlintlockError } from "@flintlock/core";
import {
  type DirectoryNode,
  type FileTree,
  implicitAttributes,
  newDirectory,
  type TreeNode,
} from "../layers/tree.ts";
import { quoteName } from "../tar/tar-entry.ts";
import { type DirectoryEntry, packDirectory } from "./directory-blocks.ts";
import { appendBlock, countBlocks, type Extents, ROOT_SIZE, writeExtentTree } from "./extents.ts";
import type { FileData } from "./file-data.ts";
import {
  BLOCK_FIELD_OFFSET,
  EXTENTS_FLAG,
  MAX_LINKS,
  writeDevice,
  writeInodeRecord,
  XATTR_BYTES,
  XATTR_OFFSET,
} from "./inode-record.ts";
import type { InodeTable } from "./inode-table.ts";
import { BLOCK_SIZE, LOST_FOUND_INODE, ROOT_INODE } from "./layout.ts";
import { placeXattrs } from "./xattrs.ts";

type Node = TreeNode<Extents>;
type Directory = DirectoryNode<Extents>;

const LOST_FOUND = "lost+found";
/** e2fsck puts what it finds here, and wants the room before it has to allocate. */
const LOST_FOUND_BLOCKS = 4;
/** Up to here a symlink's target lies in its inode. */
const MAX_FAST_SYMLINK_BYTES = 59;

/**
 * Writes the directories and inodes of a tree. Numbers are given in the order of a walk, directory by
 * directory, so that inodes of neighbours are neighbours.
 */
export class TreeWriter {
  readonly #data: FileData;
  readonly #inodes: InodeTable;
  readonly #directories = new Map<Directory, Extents>();

  constructor(data: FileData, inodes: InodeTable) {
    this.#data = data;
    this.#inodes = inodes;
  }

  write(tree: FileTree<Extents>): void {
    const lostFound = ensureLostFound(tree);
    tree.root.inode = ROOT_INODE;
    lostFound.inode = LOST_FOUND_INODE;
    const nodes: Node[] = [tree.root, lostFound];
    const todo: { readonly directory: Directory; readonly parent: Directory }[] = [
      { directory: tree.root, parent: tree.root },
    ];
    for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
      const { directory, parent } = next;
      for (const { node } of directory.children.values()) {
        if (node.inode === 0) {
          node.inode = this.#inodes.allocate(node.type === "directory");
          nodes.push(node);
        }
        if (node.type === "directory") todo.push({ directory: node, parent: directory });
      }
      this.#writeDirectory(directory, parent, directory === lostFound ? LOST_FOUND_BLOCKS : 1);
    }
    for (const node of nodes) {
      try {
        this.#writeInode(node);
      } catch (error) {
        if (!(error instanceof FlintlockError)) throw error;
        const path = quoteName(findPath(tree.root, node));
        throw new FlintlockError(error.code, `image layer: path ${path}: ${error.message}`);
      }
    }
  }

  #writeDirectory(directory: Directory, parent: Directory, minBlocks: number): void {
    const extents: Extents = [];
    let logical = 0;
    packDirectory(entriesOf(directory, parent), minBlocks, (block) => {
      appendBlock(extents, logical++, this.#data.storeBlock(block));
    });
    this.#directories.set(directory, extents);
  }

  #writeInode(node: Node): void {
    const { inInode, inBlock } = placeXattrs(node.xattrs, XATTR_BYTES);
    const xattrBlock = inBlock === undefined ? 0 : this.#data.storeBlock(inBlock);
    const extents = this.#extentsOf(node);
    const record = this.#inodes.record(node.inode);
    let blocks = xattrBlock === 0 ? 0 : 1;
    if (extents !== undefined) {
      const root = record.subarray(BLOCK_FIELD_OFFSET, BLOCK_FIELD_OFFSET + ROOT_SIZE);
      const treeBlocks = writeExtentTree(extents, root, (bytes) => this.#data.storeBlock(bytes));
      blocks += countBlocks(extents) + treeBlocks;
    } else if (node.type === "symlink") {
      record.write(node.target, BLOCK_FIELD_OFFSET, "latin1");
    } else if (node.type === "char" || node.type === "block") {
      writeDevice(record, node.devMajor, node.devMinor);
    }
    inInode?.copy(record, XATTR_OFFSET);
    writeInodeRecord(record, {
      type: node.type,
      mode: node.mode,
      uid: node.uid,
      gid: node.gid,
      mtime: node.mtime,
      links: countLinks(node),
      size: sizeOf(node, extents),
      blocks,
      flags: extents === undefined ? 0 : EXTENTS_FLAG,
      xattrBlock,
    });
  }

  /** Where the node's data is; undefined when it has none outside its inode. */
  #extentsOf(node: Node): Extents | undefined {
    switch (node.type) {
      case "file":
        return node.content;
      case "directory":
        return this.#directories.get(node);
      case "symlink":
        if (node.target.length <= MAX_FAST_SYMLINK_BYTES) return undefined;
        return [0, this.#data.storeBlock(Buffer.from(node.target, "latin1")), 1];
      default:
        return undefined;
    }
  }
}

/** The image's own directory of that name, or a new one: e2fsck demands it to be there. */
const ensureLostFound = (tree: FileTree<Extents>): Directory => {
  const present = tree.root.children.get(LOST_FOUND)?.node;
  if (present?.type === "directory") return present;
  const made = newDirectory<Extents>({ ...implicitAttributes(tree.root.mtime), mode: 0o700 });
  tree.put(tree.root, LOST_FOUND, made);
  return made;
};

function* entriesOf(directory: Directory, parent: Directory): Generator<DirectoryEntry> {
  yield { name: ".", inode: directory.inode, type: "directory" };
  yield { name: "..", inode: parent.inode, type: "directory" };
  for (const [name, { node }] of directory.children) yield { name, inode: node.inode, type: node.type };
}

const countLinks = (node: Node): number => {
  if (node.type === "directory") {
    let links = 2;
    for (const { node: child } of node.children.values()) if (child.type === "directory") links++;
    return links > MAX_LINKS ? 1 : links;
  }
  if (node.links > MAX_LINKS) {
    throw new FlintlockError(
      "unsupported",
      `it has ${node.links} hard links, and ext4 counts to ${MAX_LINKS}`,
    );
  }
  return node.links;
};

const sizeOf = (node: Node, extents: Extents | undefined): number => {
  switch (node.type) {
    case "file":
      return node.size;
    case "directory":
      return countBlocks(extents ?? []) * BLOCK_SIZE;
    case "symlink":
      return node.target.length;
    default:
      return 0;
  }
};

/** Some path of `node`, for an error's message. */
const findPath = (directory: Directory, node: Node): string => {
  for (const [name, { node: child }] of directory.children) {
    if (child === node) return name;
    const below = child.type === "directory" ? findPath(child, node) : "";
    if (below !== "") return `${name}/${below}`;
  }
  return "";
};
