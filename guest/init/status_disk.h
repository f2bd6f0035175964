/*
 * Status lines on a small disk of their own, for VMMs without virtio-serial: text from the disk's beginning, NULs behind
 * it. A line is in the host's file when status_disk_append returns.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Kept free for the lines that say how the guest ended */
#define STATUS_DISK_RESERVE 1024

struct status_disk {
    int fd;         /* -1 = there is none */
    size_t used;
    size_t size;
};

/* Continues behind the lines that are there: a guest may start again under the same VMM. False with errno. */
bool status_disk_open(struct status_disk *disk, const char *path);
/* False when it is not written, for want of room or with errno. */
bool status_disk_append(struct status_disk *disk, const char *line, size_t length, bool is_last);
