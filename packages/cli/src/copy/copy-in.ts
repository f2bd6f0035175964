/** From this host to a guest. */
import { lstat, realpath, stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { type Client, uploadTar } from "@flintlock/client";
import { CliError, usageError } from "../cli-error.ts";
import type { Context } from "../context.ts";
import { formatBytes } from "../units.ts";
import { isContentPath } from "./copy-argument.ts";
import { type CopyFlags, type GuestPath, guestDestination } from "./copy-out.ts";
import { hostError } from "./host-error.ts";
import { packTree } from "./pack-tree.ts";
import { placeOf } from "./place.ts";
import { toBinary } from "./tar-entry.ts";

/** From a path here. */
export const copyIn = async (
  context: Context,
  client: Client,
  from: string,
  to: GuestPath,
  flags: CopyFlags,
): Promise<void> => {
  const source = await hostSource(from, flags.followsLink);
  const { directory, name } = placeOf(source, await guestDestination(context, client, to));
  const archive = packTree({ path: source.path, name: toBinary(name), onLeftOut: flags.onLeftOut });
  await send(context, client, { uid: to.uid, path: directory }, { archive, flags });
};

/** From stdin, into a directory that is there. */
export const streamIn = async (
  context: Context,
  client: Client,
  to: GuestPath,
  flags: CopyFlags,
): Promise<void> => {
  const { stdin } = context.io;
  if (stdin.isTTY) throw usageError("standard input is a terminal", "flintlock cp - VM:PATH <FILE.tar");
  await send(context, client, to, { archive: stdin, flags });
};

const hostSource = async (text: string, followsLink: boolean) => {
  const isFollowed = followsLink || text.endsWith("/") || isContentPath(text);
  try {
    const found = await (isFollowed ? stat(text) : lstat(text));
    const isDirectory = found.isDirectory();
    if (!isDirectory && !found.isFile() && !found.isSymbolicLink())
      throw usageError(`${text}: neither a file nor a directory nor a symlink`);
    return {
      path: isFollowed ? await realpath(text) : text,
      name: basename(resolve(text)),
      isDirectory,
      isContentOnly: isContentPath(text) || resolve(text) === "/",
    };
  } catch (error) {
    throw hostError(text, error);
  }
};

interface Sent {
  readonly archive: AsyncIterable<Uint8Array | string>;
  readonly flags: CopyFlags;
}

const send = async (
  context: Context,
  client: Client,
  { uid: target, path }: GuestPath,
  { archive, flags: { isArchive: keepOwners, maxBytes } }: Sent,
): Promise<void> => {
  const { signal } = context;
  await uploadTar(client, limited(archive, maxBytes), { target, path, keepOwners, signal });
};

/** @throws CliError `exhausted` */
const limited = async function* (
  archive: AsyncIterable<Uint8Array | string>,
  maxBytes: number,
): AsyncGenerator<Uint8Array> {
  let left = maxBytes;
  for await (const piece of archive) {
    const data = typeof piece === "string" ? Buffer.from(piece) : piece;
    left -= data.length;
    if (left < 0) throw overLimit(maxBytes);
    yield data;
  }
};

const overLimit = (maxBytes: number): CliError =>
  new CliError("exhausted", `it is more than the ${formatBytes(maxBytes)} that --limit allows`);
