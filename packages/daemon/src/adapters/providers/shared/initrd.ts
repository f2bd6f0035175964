/**
 * The guest's initrd: the image's file, then a cpio segment with the guest's configuration. The kernel unpacks
 * one segment after another, compressed or not, each at a multiple of 4 bytes with zeros between
 * (kernel: driver-api/early-userspace/buffer-format).
 */
import { constants } from "node:fs";
import { access, chmod, copyFile, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { FlintlockError, type GuestConfig, type Machine } from "@flintlock/core";

/** Written for a guest of ours only: its presence means that the guest reports its state */
export const GUEST_INITRD = "initrd.img";
const ALIGNMENT = 4;

/** Writes the machine's `initrd.img`, of its initrd and `config`, and returns its path. */
export const writeGuestInitrd = async (
  { directory, initrdPath: base }: Pick<Machine, "directory" | "initrdPath">,
  config: GuestConfig,
): Promise<string> => {
  if (base === undefined) {
    throw new FlintlockError("internal", "a machine with a guest configuration has no initrd to read it");
  }
  const path = join(directory, GUEST_INITRD);
  const temporary = `${path}.tmp`;
  await rm(temporary, { force: true });
  await copyFile(base, temporary, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
  // The copy has its source's mode, and an image's files are read-only: before, not after, it is opened for writing.
  await chmod(temporary, 0o600);
  {
    await using file = await open(temporary, "r+");
    const { size } = await file.stat();
    const segment = cpio([
      { name: "flintlock", mode: 0o040755, data: new Uint8Array() },
      { name: "flintlock/config.json", mode: 0o100600, data: Buffer.from(JSON.stringify(config)) },
    ]);
    await file.write(segment, 0, segment.length, Math.ceil(size / ALIGNMENT) * ALIGNMENT);
  }
  await rename(temporary, path);
  return path;
};

/** Whether this VM's guest says when it is ready. Of another's initrd we know only that the VMM runs. */
export const reportsState = async (directory: string): Promise<boolean> =>
  await access(join(directory, GUEST_INITRD)).then(
    () => true,
    () => false,
  );

export interface CpioEntry {
  readonly name: string;
  /** As in stat(2), with the type */
  readonly mode: number;
  readonly data: Uint8Array;
}

/** A "newc" archive owned by root, with time 0: the same entries give the same bytes. */
export const cpio = (entries: readonly CpioEntry[]): Uint8Array =>
  Buffer.concat([
    ...entries.flatMap((entry, index) => member(entry, index + 1)),
    ...member({ name: "TRAILER!!!", mode: 0, data: new Uint8Array() }, 0),
  ]);

const member = ({ name, mode, data }: CpioEntry, inode: number): Uint8Array[] => {
  const isDirectory = (mode & 0o170000) === 0o040000;
  const path = Buffer.from(`${name}\0`);
  // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
  const fields = [inode, mode, 0, 0, isDirectory ? 2 : 1, 0, data.length, 0, 0, 0, 0, path.length, 0];
  const header = `070701${fields.map((field) => field.toString(16).toUpperCase().padStart(8, "0")).join("")}`;
  return [padded(Buffer.concat([Buffer.from(header), path])), padded(data)];
};

const padded = (bytes: Uint8Array): Uint8Array =>
  Buffer.concat([bytes, Buffer.alloc((ALIGNMENT - (bytes.length % ALIGNMENT)) % ALIGNMENT)]);
