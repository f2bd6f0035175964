/** A tiny root file system: busybox-static, its applets, and the files that give users and groups names. */
import { readFile } from "node:fs/promises";
import { directory, file, symlink, tar } from "./archives.mjs";
import { BuildError, run } from "./run.mjs";

export const BUSYBOX = "/bin/busybox";

const FILES = {
  "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nguest:x:1000:1000:guest:/home/guest:/bin/sh\n",
  "etc/group": "root:x:0:\ntty:x:5:\nusers:x:100:guest\nguest:x:1000:\n",
  "etc/shells": "/bin/sh\n/bin/ash\n",
  "etc/nsswitch.conf": "hosts: files dns\n",
  "etc/os-release": 'ID=busybox\nNAME="Flintlock busybox"\nPRETTY_NAME="Flintlock busybox"\n',
  "etc/inittab":
    "::sysinit:/etc/init.d/rcS\nttyS0::askfirst:-/bin/sh\n::ctrlaltdel:/sbin/reboot\n::shutdown:/bin/umount -a -r\n",
};

const DIRECTORIES = [
  ...[
    "bin",
    "sbin",
    "usr",
    "usr/bin",
    "usr/sbin",
    "etc",
    "etc/init.d",
    "dev",
    "proc",
    "sys",
    "run",
    "mnt",
    "home",
  ],
  ...["var", "var/log", "var/lib", "opt", "srv"],
];

/** The tar of the root file system. */
export async function busyboxTar() {
  const program = await readFile(BUSYBOX).catch(() => {
    throw new BuildError("busybox-static is not installed. Run: npm run system-packages");
  });
  const applets = (await run(BUSYBOX, ["--list-full"]))
    .split("\n")
    .filter((path) => path !== "" && path !== "bin/busybox");
  return tar([
    ...DIRECTORIES.map((name) => directory(name)),
    directory("tmp", 0o1777),
    directory("var/tmp", 0o1777),
    directory("root", 0o700),
    { ...directory("home/guest"), uid: 1000 },
    file("bin/busybox", program, 0o755),
    ...applets.filter((path) => path !== "linuxrc").map((path) => symlink(path, "/bin/busybox")),
    ...Object.entries(FILES).map(([name, text]) => file(name, text)),
    file("etc/shadow", "root:*:::::::\nguest:*:::::::\n", 0o600),
    file("etc/init.d/rcS", "#!/bin/sh\nmkdir -p /dev/pts /dev/shm /run\n", 0o755),
    symlink("etc/mtab", "../proc/mounts"),
  ]);
}
