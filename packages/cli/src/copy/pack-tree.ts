/** A tree of this host as a tar stream, with its modes, owners, times, symlinks, hard links and holes. */

import { constants, type Stats } from "node:fs";
import { type FileHandle, lstat, open, readdir, readlink } from "node:fs/promises";
import { CliError } from "../cli-error.ts";
import { findSegments } from "./find-segments.ts";
import { hostError } from "./host-error.ts";
import { BLOCK_BYTES, paddingOf, type Segment, shownName, type TarEntry } from "./tar-entry.ts";
import { writeHeader } from "./write-header.ts";

const PIECE_BYTES = 256 * 1024;

export interface Tree {
  /** Its symlinks, but for those on the way to it, are not followed */
  readonly path: string;
  /** In the archive, a binary string; empty = only what is in the directory */
  readonly name: string;
  /** Told of what is left out: devices, sockets and pipes */
  readonly onLeftOut: (path: string, why: string) => void;
}

export const packTree = async function* ({ path, name, onLeftOut }: Tree): AsyncGenerator<Uint8Array> {
  const names = new Map<string, string>();
  const walk = async function* (at: Buffer, called: string): AsyncGenerator<Uint8Array> {
    const stats = await lstat(at);
    const entry = describe(stats, called);
    if (stats.isDirectory()) {
      if (called !== "") yield writeHeader({ ...entry, type: "directory" });
      for (const child of (await readdir(at, { encoding: "buffer" })).sort(Buffer.compare)) {
        const below = called === "" ? binary(child) : `${called}/${binary(child)}`;
        yield* walk(Buffer.concat([at, SLASH, child]), below);
      }
    } else if (stats.isSymbolicLink()) {
      const link = binary(await readlink(at, { encoding: "buffer" }));
      yield writeHeader({ ...entry, type: "symlink", link });
    } else if (stats.isFile()) {
      const key = `${stats.dev}:${stats.ino}`;
      const first = stats.nlink > 1 ? names.get(key) : undefined;
      if (stats.nlink > 1) names.set(key, first ?? called);
      if (first === undefined) yield* file(at, entry);
      else yield writeHeader({ ...entry, type: "hardlink", link: first });
    } else {
      onLeftOut(at.toString("utf8"), "neither a file nor a directory nor a symlink");
    }
  };
  try {
    yield* walk(Buffer.from(path), name);
  } catch (error) {
    throw hostError(path, error);
  }
  yield Buffer.alloc(2 * BLOCK_BYTES);
};

const SLASH = Buffer.from("/");
const binary = (bytes: Buffer): string => bytes.toString("latin1");

const describe = (stats: Stats, path: string): Omit<TarEntry, "type"> => ({
  path,
  link: "",
  mode: stats.mode & 0o7777,
  uid: stats.uid,
  gid: stats.gid,
  mtime: Math.floor(stats.mtimeMs / 1000),
  size: 0,
});

const file = async function* (at: Buffer, described: Omit<TarEntry, "type">): AsyncGenerator<Uint8Array> {
  const handle = await open(at, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const { size, blocks } = await handle.stat();
    const entry = { ...described, type: "file", size } as const;
    const hasHoles = blocks * 512 < size;
    const segments = hasHoles ? await findSegments(handle, size) : [{ start: 0, length: size }];
    yield writeHeader(entry, hasHoles ? segments : undefined);
    for (const segment of segments) yield* segmentOf(handle, segment, entry.path);
    yield Buffer.alloc(paddingOf(segments.reduce((sum, { length }) => sum + length, 0)));
  } finally {
    await handle.close();
  }
};

const segmentOf = async function* (
  handle: FileHandle,
  { start, length }: Segment,
  name: string,
): AsyncGenerator<Uint8Array> {
  for (let done = 0; done < length; ) {
    const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, length - done));
    const { bytesRead } = await handle.read(piece, 0, piece.length, start + done);
    if (bytesRead === 0)
      throw new CliError("conflict", `${shownName(name)} became shorter while it was read`);
    yield piece.subarray(0, bytesRead);
    done += bytesRead;
  }
};
