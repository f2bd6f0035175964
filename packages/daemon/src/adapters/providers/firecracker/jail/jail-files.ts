/**
 * The files of a jail, as further names (hard links) of what is on the host: no mount, no copy. So a jail lies on the file
 * system of the state directory.
 *
 * A file that is the VM's own becomes its user's. One that others use too, such as a kernel or a read-only base, stays
 * root's, and must be there for all to read; the directories above it keep people out.
 */
import { chmod, chown, link, mkdir, rm, stat, symlink } from "node:fs/promises";
import { join } from "node:path";
import { FlintlockError, type Machine } from "@flintlock/core";
import { STATUS_LOG } from "../../shared/guest-status.ts";
import { GUEST_INITRD } from "../../shared/initrd.ts";
import { API_SOCKET, METRICS_FILE, VMM_LOG_FILE, VSOCK_SOCKET } from "../files.ts";

export interface JailFiles {
  readonly kernel: string;
  /** Of another's guest; ours is in the VM's directory */
  readonly initrd: string | undefined;
  readonly disks: readonly { readonly path: string; readonly name: string; readonly isReadOnly: boolean }[];
}

export interface Filling {
  readonly machine: Machine;
  /** Made here; nothing is there yet */
  readonly root: string;
  readonly uid: number;
  readonly files: JailFiles;
}

/** @throws FlintlockError `failed_precondition` – a file on another file system, or not for its user to read */
export const fillJail = async ({ machine, root, uid, files }: Filling): Promise<void> => {
  const { directory, guest } = machine;
  await mkdir(root, { recursive: true, mode: 0o700 });
  const share = (path: string, name: string): Promise<void> => linkShared(path, join(root, name));
  const own = (path: string, name: string): Promise<void> => linkOwn(path, join(root, name), uid);

  await share(files.kernel, "kernel");
  if (files.initrd !== undefined) await share(files.initrd, "initrd.img");
  if (guest !== undefined) await own(join(directory, GUEST_INITRD), "initrd.img");
  for (const { path, name, isReadOnly } of files.disks) {
    if (isReadOnly && !path.startsWith(`${directory}/`)) await share(path, name);
    else await own(path, name);
  }
  for (const name of [VMM_LOG_FILE, METRICS_FILE, STATUS_LOG]) await own(join(directory, name), name);
  for (const name of [API_SOCKET, VSOCK_SOCKET]) {
    await rm(join(directory, name), { force: true });
    await symlink(join(root, name), join(directory, name));
  }
  await chown(root, uid, uid);
};

const linkOwn = async (from: string, to: string, uid: number): Promise<void> => {
  await linked(from, to);
  await chown(to, uid, uid);
  await chmod(to, 0o600);
};

const OTHERS_READ = 0o004;

const linkShared = async (from: string, to: string): Promise<void> => {
  const { mode } = await stat(from);
  if ((mode & OTHERS_READ) === 0) {
    throw new FlintlockError("failed_precondition", `${from} is not readable for the user of a jail`, {
      hint: "chmod o+r it: the directories above it keep others out.",
    });
  }
  await linked(from, to);
};

const linked = async (from: string, to: string): Promise<void> => {
  await link(from, to).catch((cause: unknown) => {
    const isFar = cause instanceof Error && "code" in cause && cause.code === "EXDEV";
    if (!isFar) throw cause;
    throw new FlintlockError("failed_precondition", `the jails are not on the file system of ${from}`, {
      hint: "Let --firecracker-jail-dir be on that of --state-dir.",
      cause,
    });
  });
};
