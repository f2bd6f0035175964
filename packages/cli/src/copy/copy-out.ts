/** From a guest to this host. */
import { realpath, stat } from "node:fs/promises";
import type { Client, ext } from "@flintlock/client";
import { CliError, codeOf, usageError } from "../cli-error.ts";
import type { Context } from "../context.ts";
import { writeAll } from "../io.ts";
import { formatBytes } from "../units.ts";
import { ByteSource } from "./byte-source.ts";
import { isContentPath } from "./copy-argument.ts";
import { hostError } from "./host-error.ts";
import { type Destination, placeOf, splitLast } from "./place.ts";
import { damaged, type ReadEntry, readTar } from "./read-tar.ts";
import { toBinary } from "./tar-entry.ts";
import { unpackTree } from "./unpack-tree.ts";

export interface CopyFlags {
  readonly isArchive: boolean;
  readonly followsLink: boolean;
  /** Of the tar stream */
  readonly maxBytes: number;
  readonly onLeftOut: (path: string, why: string) => void;
}

export interface GuestPath {
  readonly uid: string;
  readonly path: string;
}

/** To a path here. */
export const copyOut = async (
  context: Context,
  client: Client,
  { uid, path }: GuestPath,
  to: string,
  flags: CopyFlags,
): Promise<void> => {
  const destination = await hostDestination(to);
  const end = new AbortController();
  const signal = AbortSignal.any([context.signal, end.signal]);
  const call = client.microvms.copyOut({ target: uid, path, followLink: flags.followsLink }, { signal });
  try {
    const entries = readTar(new ByteSource(dataOf(call), flags.maxBytes, () => overLimit(flags.maxBytes)));
    const { value: first } = await entries.next();
    if (first === undefined) throw damaged("it is empty");
    const { name, directory } = placeOf(
      {
        name: splitLast(path)[1],
        isDirectory: first.type === "directory",
        isContentOnly: isContentPath(path) || path === "/",
      },
      destination,
    );
    await unpackTree(chained(first, entries), {
      directory,
      name: toBinary(name),
      keepsOwners: flags.isArchive,
      onLeftOut: flags.onLeftOut,
    });
  } finally {
    end.abort();
  }
};

/** To stdout, as it comes. */
export const streamOut = async (
  context: Context,
  client: Client,
  { uid, path }: GuestPath,
  { followsLink: followLink, maxBytes }: CopyFlags,
): Promise<void> => {
  const { stdout } = context.io;
  if (stdout.isTTY) throw usageError("standard output is a terminal", "flintlock cp VM:PATH - >FILE.tar");
  let left = maxBytes;
  const call = client.microvms.copyOut({ target: uid, path, followLink }, { signal: context.signal });
  for await (const data of dataOf(call)) {
    left -= data.length;
    if (left < 0) throw overLimit(maxBytes);
    await writeAll(stdout, data, context.signal);
  }
};

/** What is at a path of the guest, symlinks followed. */
export const guestDestination = async (
  context: Context,
  client: Client,
  { uid, path }: GuestPath,
): Promise<Destination> => {
  const call = client.microvms.copyOut({ target: uid, path, headerOnly: true }, { signal: context.signal });
  try {
    const MAX_HEADER_BYTES = 64 * 1024;
    const entries = readTar(
      new ByteSource(dataOf(call), MAX_HEADER_BYTES, () => damaged("a header is too long")),
    );
    const { value: entry } = await entries.next();
    if (entry === undefined) throw damaged("it is empty");
    await entries.next();
    const isDirectory = entry.type === "directory";
    return { path, kind: isDirectory ? "directory" : "other", truePath: textOf(entry.path) ?? path };
  } catch (error) {
    if (codeOf(error) === "not_found") return { path, kind: "missing", truePath: path };
    throw error;
  }
};

const hostDestination = async (path: string): Promise<Destination> => {
  try {
    const found = await stat(path);
    return {
      path,
      kind: found.isDirectory() ? "directory" : "other",
      truePath: await realpath(path),
    };
  } catch (error) {
    if (codeOf(error) === "ENOENT") return { path, kind: "missing", truePath: path };
    throw hostError(path, error);
  }
};

/** Undefined = not UTF-8, in which the API takes paths. */
const textOf = (binary: string): string | undefined => {
  const text = Buffer.from(binary, "latin1").toString("utf8");
  return toBinary(text) === binary ? text : undefined;
};

const dataOf = async function* (call: AsyncIterable<ext.CopyOutResponse>): AsyncGenerator<Uint8Array> {
  for await (const { data } of call) yield data;
};

const chained = async function* (
  first: ReadEntry,
  rest: AsyncIterable<ReadEntry>,
): AsyncGenerator<ReadEntry> {
  yield first;
  yield* rest;
};

const overLimit = (maxBytes: number): CliError =>
  new CliError("exhausted", `the guest has more than the ${formatBytes(maxBytes)} that --limit allows`);
