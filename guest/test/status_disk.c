#include "status_disk.h"

#include "check.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define SIZE 8192

static struct status_disk disk;
static char contents[SIZE + 1];

static bool append(const char *line, bool is_last)
{
    return status_disk_append(&disk, line, strlen(line), is_last);
}

static const char *read_all(int fd)
{
    CHECK(pread(fd, contents, sizeof contents, 0) == SIZE); /* never a byte more */
    return contents;
}

void test_status_disk(void)
{
    char path[] = "/tmp/flintlock-status-XXXXXX", line[513];
    int fd = mkstemp(path);
    CHECK(fd >= 0 && ftruncate(fd, SIZE) == 0);
    CHECK(status_disk_open(&disk, path));
    CHECK(append("one\n", false) && append("two\n", false));
    CHECK(strcmp(read_all(fd), "one\ntwo\n") == 0);

    /* a second start continues */
    close(disk.fd);
    CHECK(status_disk_open(&disk, path) && append("three\n", false));
    CHECK(strcmp(read_all(fd), "one\ntwo\nthree\n") == 0);

    /* up to the reserve, and the end's lines in it */
    memset(line, 'x', 511);
    line[511] = '\n';
    line[512] = 0;
    while (append(line, false))
        ;
    CHECK(disk.used <= SIZE - STATUS_DISK_RESERVE && disk.used > SIZE - STATUS_DISK_RESERVE - 512);
    CHECK(append(line, true) && append(line, true) && !append(line, false));
    while (append("end\n", true))
        ;
    CHECK(SIZE - disk.used < 4);
    CHECK(strlen(read_all(fd)) == disk.used && strcmp(contents + disk.used - 4, "end\n") == 0);

    /* full of anything: nothing is written */
    close(disk.fd);
    memset(contents, 'y', SIZE);
    CHECK(pwrite(fd, contents, SIZE, 0) == SIZE);
    CHECK(status_disk_open(&disk, path) && disk.used == SIZE && !append("x", true));
    read_all(fd);
    close(disk.fd);

    /* none, and an empty one */
    CHECK(ftruncate(fd, 0) == 0 && status_disk_open(&disk, path) && !append("x", true));
    close(disk.fd);
    unlink(path);
    CHECK(!status_disk_open(&disk, path) && disk.fd == -1 && !append("x", true));
    close(fd);
}
