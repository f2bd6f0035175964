/** A full Debian with systemd, sshd and cloud-init, for those who ask: 90 MB and about a minute. */
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { layerOfTarFile } from "./oci-layout.mjs";
import { run } from "./run.mjs";

export const SUITE = "bookworm";

const PACKAGES = [
  ...["systemd", "systemd-sysv", "udev", "dbus", "kmod", "netbase", "iproute2", "iputils-ping", "ifupdown"],
  ...["openssh-server", "cloud-init"],
];

/**
 * Host keys, the machine id and resolvers are each machine's own, the build host's resolvers are of no use to any; cloud-init
 * looks only where Flintlock puts its data.
 */
const CUSTOMIZE = [
  'rm -f "$1"/etc/resolv.conf',
  'rm -f "$1"/etc/ssh/ssh_host_*',
  ': > "$1"/etc/machine-id',
  'echo "datasource_list: [ NoCloud, None ]" > "$1"/etc/cloud/cloud.cfg.d/90_flintlock.cfg',
  // Without the locales package cloud-init's locale module fails, and with it cloud-config.service.
  'echo "locale: false" >> "$1"/etc/cloud/cloud.cfg.d/90_flintlock.cfg',
  'ln -sf /dev/null "$1"/etc/systemd/system/systemd-networkd-wait-online.service',
  'ln -sf /dev/null "$1"/etc/systemd/system/e2scrub_reap.service',
].join(" && ");

/** Builds the root file system in `work` and returns its layer and a function that frees the space. */
export async function debianLayer(work) {
  const directory = await mkdtemp(join(work, "debian-"));
  const target = join(directory, "rootfs.tar");
  await run("mmdebstrap", [
    `--mode=${process.getuid?.() === 0 ? "root" : "unshare"}`,
    "--variant=minbase",
    `--include=${PACKAGES.join(",")}`,
    ...["man", "doc", "locale"].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`),
    '--aptopt=Acquire::Languages "none"',
    `--customize-hook=${CUSTOMIZE}`,
    SUITE,
    target,
  ]);
  const layer = await layerOfTarFile(target);
  return { layer, free: () => rm(directory, { recursive: true, force: true }) };
}
