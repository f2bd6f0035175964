/**
 * Firecracker in a jail of its own (docs/jailer.md of its repository): another root directory, another user, limits of its
 * own. What the VMM needs is linked into the jail; what the daemon needs of it is linked from the VM's directory, where
 * all else of ours looks for it.
 *
 *     <base>/<program>/<uid>/root    the VMM's root directory; made by us, filled by us and the jailer
 *     <base>/uids/<number>           whose user that is (user-ids.ts)
 *     <VM directory>/jail.json       where its jail is and what else it has; written first, removed last
 */
import { chmod, chown, realpath, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { FlintlockError, type Machine, type MachineRef } from "@flintlock/core";
import { pathOf } from "../../shared/programs.ts";
import { readJson, writeJson } from "../../shared/vm-files.ts";
import type { VmmJail } from "../../shared/vmm-process.ts";
import { drivesOf, type MachinePaths } from "../requests.ts";
import { type CgroupVersion, cgroupArgs, cgroupsOf, removeCgroups } from "./cgroups.ts";
import { fillJail, type JailFiles } from "./jail-files.ts";
import { type UserIdRange, userIdOf } from "./user-ids.ts";

const RECORD = "jail.json";

export interface JailerOptions {
  /** Name or path of `jailer`, of the same release as Firecracker */
  readonly binary: string;
  /** Jails are made below; on the file system of the state directory, and root's alone */
  readonly baseDir: string;
  /** Users that are nobody else's; each running VM has one */
  readonly userIds: UserIdRange;
  /** `none` sets no limits */
  readonly cgroupVersion: CgroupVersion;
  /** Path of a network namespace, in which the VMs' TAP devices are */
  readonly networkNamespace?: string | undefined;
}

export interface Jailer {
  /** As whom the VM's VMM runs, for its whole life. @throws FlintlockError `exhausted` */
  userId(ref: MachineRef): Promise<number>;
  /** What the machine's files are called inside; pure. */
  paths(machine: Machine): MachinePaths;
  /**
   * Makes the machine's jail anew and returns what starts the VMM in it.
   * @throws FlintlockError `failed_precondition` – not root, or another file system; `exhausted` – no user id is left
   */
  enclose(machine: Machine, vmm: JailedVmm): Promise<{ binary: string; args: readonly string[] }>;
  /**
   * Takes the jail's root directory from its user, once the VMM has made its sockets and before a guest executes: a guest
   * that has taken its VMM over cannot put a link to another socket of the host in a socket's place.
   */
  seal(machine: Machine): Promise<void>;
}

export interface JailedVmm {
  /** On the host */
  readonly kernel: string;
  readonly binary: string;
  /** For Firecracker */
  readonly args: readonly string[];
}

interface JailRecord extends VmmJail {
  readonly baseDir: string;
  readonly cgroups: readonly string[];
}

export const createJailer = (options: JailerOptions): Jailer => ({
  userId: (ref) => userIdOf(options.baseDir, ref, options.userIds),

  paths: (machine) => {
    const names = diskNames(machine);
    return {
      kernel: "kernel",
      initrd: machine.guest === undefined && machine.initrdPath === undefined ? undefined : "initrd.img",
      disk: (path) => names.get(path) ?? path,
    };
  },

  async enclose(machine, { kernel, binary, args }) {
    if (process.geteuid?.() !== 0) {
      throw new FlintlockError("failed_precondition", "a jailer needs a flintlockd that runs as root", {
        hint: "Run it as root, or without --firecracker-jailer.",
      });
    }
    await tidyJail(machine);
    const { baseDir } = options;
    const program = await programOf(binary);
    const uid = await userIdOf(baseDir, machine, options.userIds);
    const root = join(baseDir, basename(program), machine.uid, "root");
    const cgroups = cgroupsOf(machine.uid, options.cgroupVersion);
    const record: JailRecord = { root, uid, baseDir, cgroups };
    await writeJson(join(machine.directory, RECORD), record);
    await fillJail({ machine, root, uid, files: filesOf(machine, kernel) });
    const { networkNamespace } = options;
    return {
      binary: options.binary,
      args: [
        ...["--id", machine.uid, "--exec-file", program],
        ...["--uid", String(uid), "--gid", String(uid), "--chroot-base-dir", baseDir],
        ...cgroupArgs(machine, options.cgroupVersion),
        ...(networkNamespace === undefined ? [] : ["--netns", networkNamespace]),
        "--",
        ...args,
      ],
    };
  },

  async seal(machine) {
    const jail = await readRecord(machine.directory);
    if (jail === undefined) return;
    await chown(jail.root, 0, 0);
    await chmod(jail.root, SEALED);
  },
});

/** To be passed through, and no more. */
const SEALED = 0o711;

/** The jail that the VM's VMM is in, if any. */
export const jailOf = async (directory: string): Promise<VmmJail | undefined> => await readRecord(directory);

/** Takes jail and cgroups back, whose VMM has ended. Absent is success. */
export const tidyJail = async (ref: MachineRef): Promise<void> => {
  const record = await readRecord(ref.directory);
  if (record === undefined) return;
  const jail = dirname(record.root);
  // SAFETY: the record is ours, and still nothing but this VM's own jail is ever removed.
  if (basename(jail) === ref.uid && jail.startsWith(`${record.baseDir}/`)) {
    await rm(jail, { recursive: true, force: true });
  }
  await removeCgroups(record.cgroups.filter((path) => basename(path) === ref.uid));
  await rm(join(ref.directory, RECORD), { force: true });
};

const readRecord = async (directory: string): Promise<JailRecord | undefined> => {
  const { root, uid, baseDir, cgroups } = (await readJson(join(directory, RECORD))) ?? {};
  if (typeof root !== "string" || typeof baseDir !== "string") return undefined;
  if (typeof uid !== "number" || !Number.isSafeInteger(uid) || uid <= 0) return undefined;
  const paths = Array.isArray(cgroups) ? cgroups.filter((path) => typeof path === "string") : [];
  return { root, uid, baseDir, cgroups: paths };
};

/** The jailer names the jail after the program it really is. */
const programOf = async (binary: string): Promise<string> => {
  const found = pathOf(binary);
  if (found === undefined) throw new FlintlockError("unsupported", `there is no program ${binary}`);
  return await realpath(found);
};

const diskNames = (machine: Machine): ReadonlyMap<string, string> =>
  new Map(
    drivesOf(machine).map(({ path_on_host: path }, index) => [
      path,
      path.includes("/") ? `disk${index}` : path,
    ]),
  );

const filesOf = (machine: Machine, kernel: string): JailFiles => ({
  kernel,
  initrd: machine.guest === undefined ? machine.initrdPath : undefined,
  disks: drivesOf(machine).flatMap(({ path_on_host: path, is_read_only: isReadOnly }) =>
    path.includes("/") ? [{ path, name: diskNames(machine).get(path) ?? "", isReadOnly }] : [],
  ),
});
