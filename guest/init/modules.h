/*
 * Kernel modules of the initramfs: /lib/modules/index has lines `key: file file …`, files in order of insertion,
 * each line complete, written by scripts/guest-images/modules.mjs. Keys: `mmio`, `pci` (virtio's transports),
 * `virtio:N` (driver of virtio device type N), `fs:NAME`, `button`.
 */
#pragma once

#include <stdbool.h>

/* Transports, then the drivers of the virtio devices that are there. */
void modules_load_devices(void);
/* For a mount of type `fs_type`; nothing happens for a file system the kernel has built in. */
void modules_load_fs(const char *fs_type);
/* What an image's init needs while it starts: the power button, the file systems of metadata. */
void modules_load_for_init(void);
/* All that is left; the image has no modules for our kernel. Frees the files' memory. */
void modules_load_rest(void);
