/** A guest of ours on a QEMU without virtio-serial, as VMMs are that have none: status on a disk, agent on vsock. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdtemp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { GuestConfig, GuestProcess } from "@flintlock/core";
import {
  clearStatusDisk,
  type GuestStatus,
  readGuestStatus,
  STATUS_LOG,
} from "../../../packages/daemon/src/adapters/providers/shared/guest-status.ts";
import { writeGuestInitrd } from "../../../packages/daemon/src/adapters/providers/shared/initrd.ts";
import type { GuestFiles } from "./guest-files.ts";

const BOOT_MS = 60_000;
const END_MS = 30_000;
const POLL_MS = 50;

export interface BareGuestOptions {
  readonly files: GuestFiles;
  /** A VM directory is made in it */
  readonly root: string;
  /** What `/bin/sh -c` runs */
  readonly script: string;
  readonly process?: Partial<GuestProcess>;
  readonly config?: Partial<GuestConfig>;
  /** More words for the kernel; the last counts */
  readonly cmdline?: string;
  /** Raw disks between the root and the status */
  readonly volumes?: readonly string[];
  /** More words for QEMU, whose working directory is the VM's */
  readonly args?: readonly string[];
  /** Before QEMU starts, in the VM's directory */
  readonly prepare?: (directory: string) => Promise<void>;
}

export interface BareGuest extends AsyncDisposable {
  readonly directory: string;
  /** @throws with the console's text when it does not come to that in time */
  awaitStatus(is: (status: GuestStatus) => boolean): Promise<GuestStatus>;
  /** Resolves when QEMU has ended by itself. */
  ended(): Promise<void>;
}

/** Starts one; the root is a copy, written to. */
export const startBareGuest = async (options: BareGuestOptions): Promise<BareGuest> => {
  const { files, root, script, cmdline = "", volumes = [], args = [], prepare } = options;
  const directory = await mkdtemp(join(root, "vm-"));
  const disks = [join(directory, "root.raw"), ...volumes, STATUS_LOG];
  await copyFile(files.baseDisk.path, join(directory, "root.raw"));
  await clearStatusDisk(directory);
  await writeGuestInitrd(
    { directory, initrdPath: files.initrdPath },
    {
      version: 1,
      status: `/dev/vd${"abcdef"[disks.length - 1]}`,
      hostname: "bare",
      root: { device: "/dev/vda", fsType: "ext4", isReadOnly: false },
      mounts: [],
      interfaces: [],
      nameservers: [],
      boot: {
        prefer: "process",
        init: "/sbin/init",
        process: {
          args: ["/bin/sh", "-c", script],
          env: ["PATH=/bin:/sbin:/usr/bin:/usr/sbin"],
          cwd: "/",
          user: "",
          tty: false,
          attach: false,
          ...options.process,
        },
      },
      ...options.config,
    },
  );
  await prepare?.(directory);
  const qemu = spawn(
    "qemu-system-x86_64",
    [
      ["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-accel", "tcg", "-cpu", "max"],
      ["-machine", "q35,usb=off,vmport=off,memory-backend=mem"],
      ["-object", "memory-backend-memfd,id=mem,size=192M,share=on", "-m", "192M"],
      ["-kernel", files.kernelPath, "-initrd", "initrd.img"],
      ["-append", `console=ttyS0 quiet cryptomgr.notests panic=-1 reboot=t ${cmdline}`],
      ["-serial", "file:console.log"],
      disks.flatMap((path) => ["-drive", `if=virtio,format=raw,cache=writethrough,file=${path}`]),
      args,
    ].flat(),
    { cwd: directory, stdio: ["ignore", "ignore", "inherit"] },
  );
  const exited = once(qemu, "exit");

  const within = async <T>(ms: number, what: string, find: () => Promise<T | undefined>): Promise<T> => {
    for (const end = performance.now() + ms; performance.now() < end; await sleep(POLL_MS)) {
      const found = await find();
      if (found !== undefined) return found;
    }
    throw new Error(`${what} did not come: ${await readFile(join(directory, "console.log"), "utf8")}`);
  };

  return {
    directory,
    awaitStatus: (is) =>
      within(BOOT_MS, "the status", async () => {
        const status = await readGuestStatus(directory);
        return is(status) ? status : undefined;
      }),
    ended: () =>
      within(END_MS, "QEMU's end", async () => (isRunning(qemu) ? undefined : true)).then(() => undefined),
    async [Symbol.asyncDispose]() {
      if (isRunning(qemu)) qemu.kill("SIGKILL");
      await exited;
    },
  };
};

const isRunning = (child: ChildProcess): boolean => child.exitCode === null && child.signalCode === null;
