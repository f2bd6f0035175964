#include "adjust.h"

#include "files.h"
#include "log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Linux: fs/ext4/ext4.h; the number of blocks that the file system is to have */
#define EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t)
#define EXT4_MAGIC 0xEF53
#define SECTOR_BYTES 512
#define WAIT_STEP_MS 20
#define WAIT_STEPS 500

static const char *const PROCESSORS = "/sys/devices/system/cpu";
static const char *const MEMORY = "/sys/devices/system/memory";

/* Of the disk below a file system; 0 = there is none. */
static uint64_t disk_bytes(dev_t device)
{
    char path[64], text[32];
    snprintf(path, sizeof path, "/sys/dev/block/%u:%u/size", major(device), minor(device));
    return file_read(path, text, sizeof text) > 0 ? strtoull(text, NULL, 10) * SECTOR_BYTES : 0;
}

static uint64_t wait_for_disk(dev_t device, uint64_t bytes)
{
    uint64_t has = disk_bytes(device);
    for (int i = 0; has < bytes && i < WAIT_STEPS; i++) {
        usleep(WAIT_STEP_MS * 1000);
        has = disk_bytes(device);
    }
    return has;
}

/* False with errno; what is no ext4, or as large as its disk, is well as it is. */
static bool grow(const char *path, uint64_t bytes)
{
    struct stat status;
    struct statfs fs;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool is_ext4 = fstat(fd, &status) == 0 && fstatfs(fd, &fs) == 0 && fs.f_type == EXT4_MAGIC && fs.f_bsize > 0;
    bool is_grown = true;
    if (is_ext4) {
        uint64_t has = wait_for_disk(status.st_dev, bytes), blocks = has / (uint64_t)fs.f_bsize;
        errno = EAGAIN;
        is_grown = has >= bytes && (blocks == 0 || ioctl(fd, EXT4_IOC_RESIZE_FS, &blocks) == 0);
    }
    int error = errno;
    close(fd);
    errno = error;
    return is_grown;
}

void adjust_grow(const char *path)
{
    if (!grow(path, 0))
        log_line("%s does not grow to its disk: %s", path, strerror(errno));
}

/* Writes `word` to `file` of each directory `name`N of `parent`, where it says what it `is`. */
static bool bring_online(const char *parent, const char *name, const char *file, const char *is, const char *word)
{
    DIR *entries = opendir(parent);
    bool is_done = true;
    if (entries == NULL)
        return errno == ENOENT;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        char path[512], text[32];
        size_t length = strlen(name);
        if (strncmp(entry->d_name, name, length) != 0 || entry->d_name[length] < '0' || entry->d_name[length] > '9')
            continue;
        snprintf(path, sizeof path, "%s/%s/%s", parent, entry->d_name, file);
        if (file_read(path, text, sizeof text) <= 0 || strncmp(text, is, strlen(is)) != 0)
            continue;
        is_done = file_write(path, word) && is_done;
    }
    int error = errno;
    closedir(entries);
    errno = error;
    return is_done;
}

static int refused(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    return 1;
}

int adjust_main(char **args)
{
    while (*args != NULL) {
        if (strcmp(args[0], "grow") == 0 && args[1] != NULL && args[2] != NULL) {
            if (!grow(args[1], strtoull(args[2], NULL, 10)))
                return refused(args[1]);
            args += 3;
        } else if (strcmp(args[0], "processors") == 0) {
            if (!bring_online(PROCESSORS, "cpu", "online", "0", "1"))
                return refused("processors");
            args++;
        } else if (strcmp(args[0], "memory") == 0) {
            if (!bring_online(MEMORY, "memory", "state", "offline", "online"))
                return refused("memory");
            args++;
        } else {
            fprintf(stderr, "This is Flintlock's init for microVMs; it runs as PID 1 of one.\n");
            return 1;
        }
    }
    return 0;
}
