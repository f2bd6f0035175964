/**
 * A directory tree in memory: what the layers of an image come to. Names are binary strings (see
 * `tar/tar-entry.ts`). `C` is where a file's data went; the tree keeps it and does not look into it.
 */
import { FlintlockError } from "@flintlock/core";

export interface Attributes {
  /** Permission bits, setuid, setgid, sticky */
  mode: number;
  uid: number;
  gid: number;
  mtime: number;
  xattrs: ReadonlyMap<string, Uint8Array>;
}

interface NodeBase extends Attributes {
  /** How many names lead here; a directory always has one */
  links: number;
  /** Number in the file system it is written to; 0 until then */
  inode: number;
}

export interface FileNode<C> extends NodeBase {
  readonly type: "file";
  readonly size: number;
  readonly content: C;
}

export interface DirectoryNode<C> extends NodeBase {
  readonly type: "directory";
  readonly children: Map<string, Name<C>>;
}

export interface SymlinkNode extends NodeBase {
  readonly type: "symlink";
  readonly target: string;
}

export interface SpecialNode extends NodeBase {
  readonly type: "char" | "block" | "fifo";
  readonly devMajor: number;
  readonly devMinor: number;
}

export type TreeNode<C> = FileNode<C> | DirectoryNode<C> | SymlinkNode | SpecialNode;

/** One entry of a directory. Hard links are names of one node. */
export interface Name<C> {
  readonly node: TreeNode<C>;
  /** The layer that gave the name, or last renewed it */
  layer: number;
}

/** Longest chain of directories; a path of 4096 bytes cannot name a longer one. */
export const MAX_DEPTH = 2048;
/** Most names of an image, over all its layers. */
export const MAX_NAMES = 2_000_000;
/** Most bytes of names, symlink targets and extended attributes, over all layers: they live in memory. */
export const MAX_TEXT_BYTES = 512 * 1024 * 1024;

const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map();

export class FileTree<C> {
  readonly root: DirectoryNode<C> = newDirectory(implicitAttributes(0));
  readonly #release: (content: C) => void;
  #layer = 0;
  #namesSeen = 0;
  #textBytes = 0;

  /** `release` is called with the content of a file when its last name is gone. */
  constructor(release: (content: C) => void) {
    this.#release = release;
  }

  get layer(): number {
    return this.#layer;
  }

  beginLayer(): void {
    this.#layer++;
  }

  /** Names `node` in `directory`, in place of what had the name before. */
  put(directory: DirectoryNode<C>, name: string, node: TreeNode<C>): void {
    this.#count(name, node);
    // First the new name, then away with the old: the old may be a directory that holds `node` itself.
    node.links++;
    const former = directory.children.get(name);
    if (former !== undefined) this.#drop(former.node);
    directory.children.set(name, { node, layer: this.#layer });
  }

  remove(directory: DirectoryNode<C>, name: string): void {
    const former = directory.children.get(name);
    if (former === undefined) return;
    directory.children.delete(name);
    this.#drop(former.node);
  }

  /**
   * Hides what lower layers put under the name, and keeps what the current layer put there: a whiteout speaks
   * of the layers below only, and may come before or after its layer's own entries.
   */
  hideLower(directory: DirectoryNode<C>, name: string): void {
    const entry = directory.children.get(name);
    if (entry === undefined) return;
    const { node } = entry;
    if (node.type === "directory") {
      this.hideLowerContent(node);
      if (entry.layer < this.#layer && node.children.size > 0) {
        // The layer wrote into a directory it did not bring: as if that had been missing.
        setAttributes(node, implicitAttributes(node.mtime));
        entry.layer = this.#layer;
      }
    }
    if (entry.layer < this.#layer) this.remove(directory, name);
  }

  hideLowerContent(directory: DirectoryNode<C>): void {
    for (const name of directory.children.keys()) this.hideLower(directory, name);
  }

  /** Takes names away, down to the leaves. The depth of the recursion is bounded by `MAX_DEPTH`. */
  #drop(node: TreeNode<C>): void {
    node.links--;
    if (node.type === "directory") {
      for (const { node: child } of node.children.values()) this.#drop(child);
    } else if (node.type === "file" && node.links === 0) {
      this.#release(node.content);
    }
  }

  #count(name: string, node: TreeNode<C>): void {
    this.#namesSeen++;
    this.#textBytes += name.length + (node.type === "symlink" ? node.target.length : 0);
    this.countXattrs(node.xattrs);
    if (this.#namesSeen > MAX_NAMES) {
      throw new FlintlockError("exhausted", `the image has more than ${MAX_NAMES} files`);
    }
  }

  countXattrs(xattrs: ReadonlyMap<string, Uint8Array>): void {
    for (const [name, value] of xattrs) this.#textBytes += name.length + value.length;
    if (this.#textBytes > MAX_TEXT_BYTES) {
      throw new FlintlockError(
        "exhausted",
        `the image has more than ${MAX_TEXT_BYTES} bytes of names, links and attributes`,
      );
    }
  }
}

export const setAttributes = (
  node: Attributes,
  { mode, uid, gid, mtime, xattrs }: Readonly<Attributes>,
): void => {
  node.mode = mode;
  node.uid = uid;
  node.gid = gid;
  node.mtime = mtime;
  node.xattrs = xattrs;
};

/** Of a directory no layer has an entry for. */
export const implicitAttributes = (mtime: number): Attributes => ({
  mode: 0o755,
  uid: 0,
  gid: 0,
  mtime,
  xattrs: NO_XATTRS,
});

export const newDirectory = <C>(attributes: Readonly<Attributes>): DirectoryNode<C> => ({
  type: "directory",
  mode: attributes.mode,
  uid: attributes.uid,
  gid: attributes.gid,
  mtime: attributes.mtime,
  xattrs: attributes.xattrs,
  links: 0,
  inode: 0,
  children: new Map(),
});
