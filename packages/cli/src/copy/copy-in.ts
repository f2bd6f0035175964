/** From this host to a guest. */
import { lstat, realpath, stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import type { Client } from "@flintlock/client";
import { CliError, usageError } from "../cli-error.ts";
import type { Context } from "../context.ts";
import { formatBytes } from "../units.ts";
import { isContentPath } from "./copy-argument.ts";
import { type CopyFlags, type GuestPath, guestDestination } from "./copy-out.ts";
import { hostError } from "./host-error.ts";
import { packTree } from "./pack-tree.ts";
import { placeOf } from "./place.ts";
import { toBinary } from "./tar-entry.ts";

/** Well below what the daemon takes in one message */
const MAX_PIECE_BYTES = 256 * 1024;

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

/** When the daemon ends the call early, its word on why is what counts. */
const send = async (
  context: Context,
  client: Client,
  { uid, path }: GuestPath,
  { archive, flags: { isArchive: keepOwners, maxBytes } }: Sent,
): Promise<void> => {
  const call = client.microvms.copyIn({ signal: context.signal });
  let isOver = false;
  let failure: { readonly error: unknown } | undefined;
  const sendAll = async (): Promise<void> => {
    await call.write({ payload: { case: "start", value: { target: uid, path, keepOwners } } });
    let left = maxBytes;
    for await (const piece of archive) {
      const data = typeof piece === "string" ? Buffer.from(piece) : piece;
      left -= data.length;
      if (left < 0) throw overLimit(maxBytes);
      for (let at = 0; at < data.length && !isOver; at += MAX_PIECE_BYTES) {
        await call.write({ payload: { case: "data", value: data.subarray(at, at + MAX_PIECE_BYTES) } });
      }
      if (isOver) return;
    }
    call.end();
  };
  void sendAll().catch((error: unknown) => {
    failure = { error };
    call.cancel();
  });
  let isAnswered = false;
  try {
    for await (const _ of call.responses) isAnswered = true;
  } catch (error) {
    throw failure?.error ?? error;
  } finally {
    isOver = true;
    call.cancel();
  }
  if (!isAnswered) throw new CliError("unavailable", "the daemon ended the copy without an answer");
};

const overLimit = (maxBytes: number): CliError =>
  new CliError("exhausted", `it is more than the ${formatBytes(maxBytes)} that --limit allows`);
