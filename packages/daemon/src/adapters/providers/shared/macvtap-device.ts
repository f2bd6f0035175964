import { type FileHandle, open, readdir, readFile } from "node:fs/promises";
import { FlintlockError } from "@flintlock/core";

/**
 * Opens the character device of a MACVTAP link, for a VMM to inherit. Whoever opens it closes it; Node opens with
 * O_CLOEXEC, so that no other child gets it.
 * @throws FlintlockError `failed_precondition` – no such link; `unavailable` – its device node is not there, or another's
 */
export const openMacvtap = async (name: string): Promise<FileHandle> => {
  const device = await deviceOf(name);
  const handle = await open(`/dev/${device.node}`, "r+").catch((cause: unknown) => {
    throw new FlintlockError("unavailable", `the device /dev/${device.node} of ${name} cannot be opened`, {
      hint: "The kernel makes it in devtmpfs; in a container /dev must be the host's.",
      cause,
    });
  });
  // Interface numbers repeat across network namespaces, and the node is named after one.
  const { rdev } = await handle.stat();
  if (rdev === device.rdev) return handle;
  await handle.close();
  throw new FlintlockError("unavailable", `/dev/${device.node} is not the device of ${name}`, {
    hint: "An interface of another network namespace has the same number: delete and create one of the two again.",
  });
};

const deviceOf = async (name: string): Promise<{ readonly node: string; readonly rdev: number }> => {
  const directory = `/sys/class/net/${name}/macvtap`;
  const [node] = await readdir(directory).catch(() => []);
  if (node === undefined) {
    throw new FlintlockError("failed_precondition", `there is no MACVTAP link ${name}`);
  }
  const [major = 0, minor = 0] = (await readFile(`${directory}/${node}/dev`, "latin1"))
    .trim()
    .split(":")
    .map(Number);
  return { node, rdev: makedev(major, minor) };
};

/** The encoding of `st_rdev` (glibc: sysdeps/unix/sysv/linux/makedev.h), for numbers below 2^12 and 2^20. */
const makedev = (major: number, minor: number): number =>
  (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12);
