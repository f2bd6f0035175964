#include "status_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Position of the first NUL, or the end. */
static size_t text_length(const struct status_disk *disk)
{
    char block[4096];
    size_t at = 0;
    while (at < disk->size) {
        ssize_t n = pread(disk->fd, block, sizeof block, (off_t)at);
        if (n <= 0)
            break;
        const char *end = memchr(block, 0, (size_t)n);
        if (end != NULL)
            return at + (size_t)(end - block);
        at += (size_t)n;
    }
    return at;
}

bool status_disk_open(struct status_disk *disk, const char *path)
{
    *disk = (struct status_disk){.fd = open(path, O_RDWR | O_DSYNC | O_CLOEXEC)};
    off_t size = disk->fd < 0 ? -1 : lseek(disk->fd, 0, SEEK_END);
    if (size < 0) {
        int error = errno;
        if (disk->fd >= 0)
            close(disk->fd);
        disk->fd = -1;
        errno = error;
        return false;
    }
    disk->size = (size_t)size;
    disk->used = text_length(disk);
    return true;
}

bool status_disk_append(struct status_disk *disk, const char *line, size_t length, bool is_last)
{
    size_t room = disk->size - disk->used;
    if (disk->fd < 0 || length + (is_last ? 0 : STATUS_DISK_RESERVE) > room)
        return false;
    for (size_t done = 0; done < length;) {
        ssize_t n = pwrite(disk->fd, line + done, length - done, (off_t)(disk->used + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    disk->used += length;
    return true;
}
