/* File systems: the kernel's own, the root, and the configured ones. */
#pragma once

#include "config.h"

/* /proc, /sys and /dev of the initramfs. */
void mounts_early(void);
/*
 * Loads what the file system needs, waits for the device, makes the mount point and mounts on `target`.
 * NULL, or what went wrong (in memory of its own, until the next call).
 */
const char *mounts_mount(const struct mount_config *mount, const char *target);
/* Makes `directory` the root of this process and its children; the initramfs stays, out of sight. */
bool mounts_switch_root(const char *directory);
/*
 * Inside the image: /proc, /sys, /dev, /dev/pts, /dev/shm, /run, /sys/fs/cgroup. Missing directories are made
 * where the root may be written; what cannot be mounted is logged. `for_process`: also what an init would do,
 * such as /dev/stdout, and tmpfs over /tmp and /run where they could not be written otherwise.
 */
void mounts_system(bool for_process, bool is_read_only);
/* Makes all that is on disk read-only, for power off. */
void mounts_quiesce(void);
