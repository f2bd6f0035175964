/** Trees as comparable text: one line an inode's name, with all that should be equal. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readTar } from "../../../packages/daemon/src/adapters/images/disk/tar/read-tar.ts";
import type { TarEntry } from "../../../packages/daemon/src/adapters/images/disk/tar/tar-entry.ts";

/**
 * Lists a directory of the host by way of GNU tar, in sorted order: path, type, mode, owner, size, device, link,
 * attributes, digest of the data; and times of all but directories, which unpackers disagree on.
 */
export const listDirectory = async (directory: string): Promise<readonly string[]> => {
  const tar = spawn(
    "tar",
    [
      ...["-cf", "-", "--sort=name", "--numeric-owner", "--format=pax", "--xattrs", "--xattrs-include=*"],
      ...["--exclude=./lost+found", "-C", directory, "."],
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const closed = new Promise<number | null>((resolve) => tar.once("close", resolve));
  const lines: string[] = [];
  for await (const entry of readTar(tar.stdout, new AbortController().signal)) {
    const hash = createHash("sha256");
    for await (const chunk of entry.body) hash.update(chunk);
    lines.push(listEntry(entry, entry.type === "file" ? hash.digest("hex").slice(0, 16) : ""));
  }
  const code = await closed;
  if (code !== 0) throw new Error(`tar ended with ${code}`);
  return lines;
};

const listEntry = (entry: TarEntry, digest: string): string => {
  const xattrs = [...entry.xattrs]
    .map(([name, value]) => `${name}=${Buffer.from(value).toString("hex")}`)
    .sort();
  return [
    JSON.stringify(entry.path),
    entry.type,
    entry.mode.toString(8),
    `${entry.uid}:${entry.gid}`,
    entry.size,
    `${entry.devMajor},${entry.devMinor}`,
    JSON.stringify(entry.linkPath),
    entry.type === "directory" ? "" : Math.floor(entry.mtime),
    xattrs.join(" "),
    digest,
  ].join(" ");
};
