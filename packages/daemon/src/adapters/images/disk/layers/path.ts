import { FlintlockError } from "@flintlock/core";
import { quoteName } from "../tar/tar-entry.ts";
import { type DirectoryNode, MAX_DEPTH, type TreeNode } from "./tree.ts";

/** Linux's PATH_MAX and NAME_MAX, in bytes. */
export const MAX_PATH_BYTES = 4096;
const MAX_NAME_BYTES = 255;
/** What containerd follows too; Linux itself stops at 40. */
const MAX_SYMLINK_HOPS = 255;
/** Most components one path may come to with its symlinks written out. */
const MAX_STEPS = 16_384;

/**
 * The components of a path in an archive, seen from the image's root: `/`, `.` and empty ones fall away, `..`
 * takes one back and stays at the root. All are names Linux allows.
 * @throws FlintlockError `data_loss` – a name or the path is too long, or holds a NUL
 */
export const splitPath = (path: string): string[] => {
  if (path.length > MAX_PATH_BYTES) throw badPath(path, `is longer than ${MAX_PATH_BYTES} bytes`);
  if (path.includes("\0")) throw badPath(path, "holds a NUL byte");
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") parts.pop();
    else if (part.length > MAX_NAME_BYTES) throw badPath(path, `has a name over ${MAX_NAME_BYTES} bytes`);
    else parts.push(part);
  }
  return parts;
};

/**
 * Walks `parts` from the root, through symlinks, as if `root` were the root of the machine: an absolute target
 * starts there, `..` stops there. `onMissing` gives the directory for a name that does not exist.
 * Undefined when that gives none, or something on the way is no directory.
 * @throws FlintlockError `data_loss` – a loop of symlinks, or too deep
 */
export const findDirectory = <C>(
  root: DirectoryNode<C>,
  parts: readonly string[],
  onMissing: (directory: DirectoryNode<C>, name: string) => DirectoryNode<C> | undefined,
): DirectoryNode<C> | undefined => {
  let way: DirectoryNode<C>[] = [];
  let here = root;
  const todo = parts.toReversed();
  let hops = 0;
  for (let steps = 0; ; steps++) {
    const name = todo.pop();
    if (name === undefined) return here;
    if (name === "" || name === ".") continue;
    if (name === "..") {
      here = way.pop() ?? root;
      continue;
    }
    const next: TreeNode<C> | undefined = here.children.get(name)?.node ?? onMissing(here, name);
    if (next?.type === "directory") {
      way.push(here);
      here = next;
    } else if (next?.type === "symlink") {
      if (++hops > MAX_SYMLINK_HOPS) throw badPath(parts.join("/"), "leads into a loop of symlinks");
      if (next.target.startsWith("/")) {
        way = [];
        here = root;
      }
      todo.push(...next.target.split("/").reverse());
    } else {
      return undefined;
    }
    if (way.length >= MAX_DEPTH || steps > MAX_STEPS) throw badPath(parts.join("/"), "is too deep");
  }
};

/** The file, directory or device a path leads to, with symlinks followed in its last component too. */
export const findNode = <C>(
  root: DirectoryNode<C>,
  path: string,
): Exclude<TreeNode<C>, { type: "symlink" }> | undefined => {
  let parts = splitPath(path);
  for (let hops = 0; hops <= MAX_SYMLINK_HOPS; hops++) {
    const name = parts.pop();
    if (name === undefined) return root;
    if (name === "..") return findDirectory(root, [...parts, name], () => undefined);
    const node = findDirectory(root, parts, () => undefined)?.children.get(name)?.node;
    if (node?.type !== "symlink") return node;
    const target = node.target.split("/").filter((part) => part !== "" && part !== ".");
    parts = node.target.startsWith("/") ? target : [...parts, ...target];
  }
  throw badPath(path, "leads into a loop of symlinks");
};

export const badPath = (path: string, problem: string): FlintlockError =>
  new FlintlockError("data_loss", `image layer: path ${quoteName(path)} ${problem}`);
