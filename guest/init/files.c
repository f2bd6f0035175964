#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static ssize_t read_up_to(int fd, char *text, size_t capacity)
{
    size_t used = 0;
    while (used < capacity) {
        ssize_t n = read(fd, text + used, capacity - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        used += (size_t)n;
    }
    return (ssize_t)used;
}

ssize_t file_read(const char *path, char *text, size_t capacity)
{
    text[0] = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = read_up_to(fd, text, capacity - 1);
    close(fd);
    text[n < 0 ? 0 : n] = 0;
    return n;
}

void file_read_line(const char *path, char *text, size_t capacity)
{
    ssize_t n = file_read(path, text, capacity);
    if (n > 0 && text[n - 1] == '\n')
        text[n - 1] = 0;
}

char *file_load(const char *path, size_t limit, size_t *length)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    struct stat status;
    char *text = NULL;
    if (fstat(fd, &status) < 0)
        goto out;
    if (status.st_size < 0 || (size_t)status.st_size > limit) {
        errno = EFBIG;
        goto out;
    }
    text = malloc((size_t)status.st_size + 1);
    if (text == NULL)
        goto out;
    ssize_t n = read_up_to(fd, text, (size_t)status.st_size);
    if (n < 0) {
        free(text);
        text = NULL;
        goto out;
    }
    text[n] = 0;
    *length = (size_t)n;
out:;
    int saved = errno;
    close(fd);
    errno = saved;
    return text;
}

bool file_write_all(int fd, const void *bytes, size_t length)
{
    for (const char *at = bytes; length > 0;) {
        ssize_t n = write(fd, at, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        length -= (size_t)n;
    }
    return true;
}

bool file_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return false;
    bool written = file_write_all(fd, text, strlen(text));
    return close(fd) == 0 && written;
}

bool file_make_directories(const char *path, mode_t mode)
{
    char copy[PATH_MAX];
    if (strlen(path) >= sizeof copy) {
        errno = ENAMETOOLONG;
        return false;
    }
    strcpy(copy, path);
    for (char *c = copy + 1; *c; c++) {
        if (*c != '/')
            continue;
        *c = 0;
        if (mkdir(copy, mode) < 0 && errno != EEXIST && errno != EROFS)
            return false;
        *c = '/';
    }
    if (mkdir(copy, mode) < 0 && errno != EEXIST) {
        struct stat status;
        int saved = errno;
        bool there = stat(copy, &status) == 0 && S_ISDIR(status.st_mode);
        errno = saved;
        return there;
    }
    return true;
}
