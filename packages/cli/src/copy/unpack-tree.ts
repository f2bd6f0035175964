/**
 * Writes the tree of a guest's tar stream below a directory of this host. The guest is not trusted: nothing is written
 * outside of the directory, no symlink is followed, nothing of what is there is overwritten but files and symlinks of
 * the same name, and a file has its name only once it is whole.
 */

import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  ftruncateSync,
  futimesSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { CliError, codeOf } from "../cli-error.ts";
import { HeldDirectories, inside } from "./held-directories.ts";
import { hostError } from "./host-error.ts";
import { damaged, type ReadEntry } from "./read-tar.ts";
import { fromBinary, shownName, type TarEntry } from "./tar-entry.ts";

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
const MAX_NAME_BYTES = 255;

export interface Unpacking {
  /** Is there */
  readonly directory: string;
  /** What the archive's first entry is called there, a binary string; empty = the directory itself, which stays as it is */
  readonly name: string;
  /** Those of the guest, and setuid and setgid with them; else all is the caller's own */
  readonly keepsOwners: boolean;
  /** Told of what is left out: devices and pipes */
  readonly onLeftOut: (path: string, why: string) => void;
}

/** @throws CliError – `data_loss`: the archive; otherwise what the host refused */
export const unpackTree = async (
  entries: AsyncIterable<ReadEntry>,
  { directory, name, keepsOwners, onLeftOut }: Unpacking,
): Promise<void> => {
  let held: HeldDirectories;
  try {
    held = new HeldDirectories(directory);
  } catch (error) {
    throw hostError(directory, error);
  }
  using directories = held;
  const made: { readonly names: readonly string[]; readonly entry: TarEntry }[] = [];
  let root: string | undefined;
  for await (const entry of entries) {
    root ??= entry.path.replace(/\/+$/, "");
    const names = namesOf(entry.path, root, name);
    try {
      if (entry.type === "directory") {
        if (makeDirectory(directories, names)) made.push({ names, entry });
        continue;
      }
      const last = names.at(-1);
      if (last === undefined) throw new CliError("conflict", "a directory is in its place");
      const isLeftOut = entry.type === "char" || entry.type === "block" || entry.type === "fifo";
      if (isLeftOut) onLeftOut(shownName(entry.path), "a device or a pipe");
      else if (entry.type === "hardlink") makeLink(directories, names, namesOf(entry.link, root, name));
      else await makeWhole(directories.enter(names.slice(0, -1)), last, entry, keepsOwners);
    } catch (error) {
      throw hostError(shownName(names.join("/")), error);
    }
  }
  if (root === undefined) throw damaged("it is empty");
  for (const { names, entry } of made.reverse()) dress(directories.enter(names), entry, keepsOwners);
};

/** Below the destination, a component each. @throws CliError `data_loss` – it leads elsewhere */
const namesOf = (path: string, root: string, name: string): readonly string[] => {
  if (path !== root && !path.startsWith(`${root}/`))
    throw damaged(`${shownName(path)} is not part of ${root}`);
  const names = path
    .slice(root.length)
    .split("/")
    .filter((part) => part !== "" && part !== ".");
  if (names.some((part) => part === ".." || part.length > MAX_NAME_BYTES || part.includes("\0"))) {
    throw damaged(`${shownName(path)} is no name below the destination`);
  }
  return name === "" ? names : [name, ...names];
};

/** False when it is there already: then it stays as it is. */
const makeDirectory = (directories: HeldDirectories, names: readonly string[]): boolean => {
  const last = names.at(-1);
  if (last === undefined) return false;
  try {
    mkdirSync(inside(directories.enter(names.slice(0, -1)), last), 0o700);
    return true;
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
    directories.enter(names);
    return false;
  }
};

const makeLink = (directories: HeldDirectories, names: readonly string[], to: readonly string[]): void => {
  const [last, target] = [names.at(-1), to.at(-1)];
  if (last === undefined || target === undefined) throw damaged("a link to the destination itself");
  // Two directories at once: the first is opened a second time, to stay open.
  const parent = openSync(inside(directories.enter(to.slice(0, -1)), "."), constants.O_RDONLY);
  try {
    const path = inside(directories.enter(names.slice(0, -1)), last);
    remove(path);
    linkSync(inside(parent, target), path);
  } finally {
    closeSync(parent);
  }
};

/** A file or a symlink, under another name first. */
const makeWhole = async (
  parent: number,
  name: string,
  entry: ReadEntry,
  keepsOwners: boolean,
): Promise<void> => {
  const temporary = inside(parent, `.flintlock-${randomBytes(8).toString("hex")}`);
  try {
    if (entry.type === "symlink") {
      symlinkSync(fromBinary(entry.link), temporary);
      if (keepsOwners) lchownSync(temporary, entry.uid, entry.gid);
      lutimesSync(temporary, entry.mtime, entry.mtime);
    } else {
      await writeFile(temporary, entry, keepsOwners);
    }
    renameSync(temporary, inside(parent, name));
  } catch (error) {
    remove(temporary);
    throw error;
  }
};

const writeFile = async (path: Buffer, entry: ReadEntry, keepsOwners: boolean): Promise<void> => {
  const fd = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    for await (const { at, bytes } of entry.data) {
      for (let done = 0; done < bytes.length; )
        done += writeSync(fd, bytes, done, bytes.length - done, at + done);
    }
    ftruncateSync(fd, entry.size);
    dress(fd, entry, keepsOwners);
  } finally {
    closeSync(fd);
  }
};

/** Owner first: a change of it takes setuid away. */
const dress = (fd: number, { mode, uid, gid, mtime }: TarEntry, keepsOwners: boolean): void => {
  if (keepsOwners) fchownSync(fd, uid, gid);
  fchmodSync(fd, keepsOwners ? mode : mode & 0o1777);
  futimesSync(fd, mtime, mtime);
};

const remove = (path: Buffer): void => {
  try {
    unlinkSync(path);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
};
