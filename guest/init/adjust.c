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

/* Writes `word` to `file` of each directory `name`N of `parent`, where it says something else; how many say it then. */
static unsigned bring_online(const char *parent, const char *name, const char *file, const char *word)
{
    DIR *entries = opendir(parent);
    unsigned count = 0;
    if (entries == NULL)
        return 0;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        char path[512], text[32];
        size_t length = strlen(name);
        if (strncmp(entry->d_name, name, length) != 0 || entry->d_name[length] < '0' || entry->d_name[length] > '9')
            continue;
        snprintf(path, sizeof path, "%s/%s/%s", parent, entry->d_name, file);
        file_read_line(path, text, sizeof text);
        if (strcmp(text, word) == 0 || (*text && file_write(path, word)))
            count++;
    }
    closedir(entries);
    return count;
}

/* The first has no switch. */
static uint64_t online_processors(void)
{
    bring_online("/sys/devices/system/cpu", "cpu", "online", "1");
    return (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
}

static uint64_t online_memory(void)
{
    char text[32];
    file_read_line("/sys/devices/system/memory/block_size_bytes", text, sizeof text);
    return bring_online("/sys/devices/system/memory", "memory", "state", "online") * strtoull(text, NULL, 16);
}

static bool wait_for(uint64_t (*online)(void), uint64_t wanted, bool is_exact)
{
    for (int i = 0; i < WAIT_STEPS; i++) {
        uint64_t has = online();
        if (has == wanted || (!is_exact && has > wanted))
            return true;
        usleep(WAIT_STEP_MS * 1000);
    }
    errno = ETIMEDOUT;
    return false;
}

static int refused(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    return 1;
}

int adjust_main(char **args)
{
    while (args[0] != NULL && args[1] != NULL) {
        bool is_growth = strcmp(args[0], "grow") == 0 && args[2] != NULL;
        uint64_t wanted = strtoull(args[is_growth ? 2 : 1], NULL, 10);
        if (is_growth) {
            if (!grow(args[1], wanted))
                return refused(args[1]);
        } else if (strcmp(args[0], "processors") == 0) {
            if (!wait_for(online_processors, wanted, true))
                return refused(args[0]);
        } else if (strcmp(args[0], "memory") == 0) {
            if (!wait_for(online_memory, wanted, false))
                return refused(args[0]);
        } else {
            break;
        }
        args += is_growth ? 3 : 2;
    }
    if (args[0] == NULL)
        return 0;
    fprintf(stderr, "This is Flintlock's init for microVMs; it runs as PID 1 of one.\n");
    return 1;
}
