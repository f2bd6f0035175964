/**
 * Applies the entries of layer archives to a tree, by the rules of the OCI image-spec (layer.md, "Applying
 * Changesets") and, where it is silent, as containerd does.
 *
 * INVARIANTS:
 * - parents are resolved through the symlinks of the tree so far, so `lib/x` lands in `usr/lib/x` under a
 *   lower `lib -> usr/lib`; the last component is never followed, so an entry replaces a symlink.
 * - a directory over a directory keeps the children and takes the attributes; all else replaces.
 * - whiteouts hide lower layers only, in whatever order a layer's entries come.
 * - a hard link is a second name of a node; giving one name away does not change the others.
 */
import type { TarEntry } from "../tar/tar-entry.ts";
import { badPath, findDirectory, splitPath } from "./path.ts";
import {
  type DirectoryNode,
  type FileTree,
  implicitAttributes,
  newDirectory,
  setAttributes,
  type TreeNode,
} from "./tree.ts";

/** Longest symlink target Linux follows; an ext4 block holds it with its NUL. */
const MAX_TARGET_BYTES = 4095;
/** What a Linux device number has room for. */
const MAX_MAJOR = 0xfff;
const MAX_MINOR = 0xf_ffff;

const WHITEOUT = ".wh.";
/** AUFS's own bookkeeping; of these only the opaque marker means something. */
const WHITEOUT_META = ".wh..wh.";
const OPAQUE = ".wh..wh..opq";

/** Puts the data of `entry.body` somewhere and says where. */
export type WriteContent<C> = (entry: TarEntry) => Promise<C>;

/** @throws FlintlockError `data_loss` – an entry no Linux file system could hold, or a link to nothing */
export const mergeEntry = async <C>(
  tree: FileTree<C>,
  entry: TarEntry,
  writeContent: WriteContent<C>,
): Promise<void> => {
  const parts = splitPath(entry.path);
  const name = parts.pop();
  if (name === undefined) {
    if (entry.type !== "directory") throw badPath(entry.path, "is the root, and not a directory");
    takeAttributes(tree, tree.root, entry);
  } else if (name.startsWith(WHITEOUT) || parts.some((part) => part.startsWith(WHITEOUT_META))) {
    applyWhiteout(tree, entry.path, parts, name);
  } else {
    const parent = parentFor(tree, entry, parts);
    const former = parent.children.get(name);
    if (entry.type === "directory" && former?.node.type === "directory") {
      takeAttributes(tree, former.node, entry);
      former.layer = tree.layer;
    } else if (entry.type === "hardlink") {
      const target = linkTarget(tree, entry);
      if (former?.node === target) former.layer = tree.layer;
      else tree.put(parent, name, target);
    } else {
      // Away with the old first: its room in the file system may be needed for the new.
      tree.remove(parent, name);
      tree.put(parent, name, await newNode(entry, writeContent));
    }
  }
};

const applyWhiteout = <C>(tree: FileTree<C>, path: string, parts: string[], name: string): void => {
  if (parts.some((part) => part.startsWith(WHITEOUT_META))) return;
  if (name.startsWith(WHITEOUT_META) && name !== OPAQUE) return;
  const directory = findDirectory(tree.root, parts, () => undefined);
  if (directory === undefined) return;
  if (name === OPAQUE) {
    tree.hideLowerContent(directory);
    return;
  }
  const hidden = name.slice(WHITEOUT.length);
  if (hidden === "" || hidden === "." || hidden === "..") throw badPath(path, "is a whiteout of nothing");
  tree.hideLower(directory, hidden);
};

const parentFor = <C>(tree: FileTree<C>, entry: TarEntry, parts: readonly string[]): DirectoryNode<C> => {
  const parent = findDirectory(tree.root, parts, (directory, name) => {
    if (directory.children.has(name)) return undefined;
    const missing = newDirectory<C>(implicitAttributes(entry.mtime));
    tree.put(directory, name, missing);
    return missing;
  });
  if (parent === undefined) throw badPath(entry.path, "lies under something that is not a directory");
  return parent;
};

const linkTarget = <C>(tree: FileTree<C>, entry: TarEntry): TreeNode<C> => {
  const parts = splitPath(entry.linkPath);
  const name = parts.pop();
  const directory = name === undefined ? undefined : findDirectory(tree.root, parts, () => undefined);
  const node = name === undefined ? undefined : directory?.children.get(name)?.node;
  if (node === undefined || node.type === "directory") {
    throw badPath(entry.path, "is a hard link to something that is no file of the image");
  }
  return node;
};

const takeAttributes = <C>(tree: FileTree<C>, node: DirectoryNode<C>, entry: TarEntry): void => {
  tree.countXattrs(entry.xattrs);
  setAttributes(node, entry);
};

const newNode = async <C>(entry: TarEntry, writeContent: WriteContent<C>): Promise<TreeNode<C>> => {
  switch (entry.type) {
    case "file":
      return fileNode(entry, await writeContent(entry));
    case "directory":
      return newDirectory(entry);
    case "symlink":
      return symlinkNode(entry);
    case "fifo":
    case "char":
    case "block":
      return specialNode(entry, entry.type);
    case "hardlink":
      throw new Error("a hard link has no node of its own");
  }
};

// Written out, not spread: an image may have a million of them, and spreading took most of the merging time.
const fileNode = <C>({ mode, uid, gid, mtime, xattrs, size }: TarEntry, content: C): TreeNode<C> => ({
  type: "file",
  mode,
  uid,
  gid,
  mtime,
  xattrs,
  links: 0,
  inode: 0,
  size,
  content,
});

const symlinkNode = <C>({ path, linkPath, mode, uid, gid, mtime, xattrs }: TarEntry): TreeNode<C> => {
  if (linkPath === "" || linkPath.length > MAX_TARGET_BYTES || linkPath.includes("\0")) {
    throw badPath(path, `is a symlink whose target is not 1 to ${MAX_TARGET_BYTES} bytes`);
  }
  return { type: "symlink", mode, uid, gid, mtime, xattrs, links: 0, inode: 0, target: linkPath };
};

const specialNode = <C>(entry: TarEntry, type: "char" | "block" | "fifo"): TreeNode<C> => {
  const { path, devMajor, devMinor, mode, uid, gid, mtime, xattrs } = entry;
  if (devMajor < 0 || devMajor > MAX_MAJOR || devMinor < 0 || devMinor > MAX_MINOR) {
    throw badPath(path, `has a device number over ${MAX_MAJOR}:${MAX_MINOR}`);
  }
  return { type, mode, uid, gid, mtime, xattrs, links: 0, inode: 0, devMajor, devMinor };
};
