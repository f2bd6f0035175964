#include "copy.h"

#include "check.h"
#include "tar.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char here[] = "/tmp/flintlock-copy-XXXXXX";

static int exit_of(pid_t pid)
{
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void close_others(void)
{
    dup2(open("/dev/null", O_WRONLY), 2);
    for (int fd = 3; fd < 64; fd++)
        close(fd);
}

static pid_t start_out(const char *path, bool follows_link, int fd)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct copy_out request = {.path = path, .follows_link = follows_link};
        dup2(fd, 1);
        close_others();
        _exit(copy_out(&request));
    }
    return pid;
}

static pid_t start_in(const char *path, int fd)
{
    pid_t pid = fork();
    if (pid == 0) {
        /* who runs the tests need not be root */
        struct copy_in request = {.path = path, .keeps_owners = true};
        dup2(fd, 0);
        close_others();
        _exit(copy_in(&request));
    }
    return pid;
}

static void copy(const char *from, bool follows_link, const char *to)
{
    int fds[2];
    CHECK(pipe2(fds, O_CLOEXEC) == 0);
    pid_t out = start_out(from, follows_link, fds[1]), in = start_in(to, fds[0]);
    close(fds[0]);
    close(fds[1]);
    CHECK(exit_of(out) == 0);
    CHECK(exit_of(in) == 0);
}

/* What copy_in says to these bytes. */
static int take(const char *to, const void *bytes, size_t length)
{
    int fd = open("archive.tar", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && write(fd, bytes, length) == (ssize_t)length && lseek(fd, 0, SEEK_SET) == 0);
    int code = exit_of(start_in(to, fd));
    close(fd);
    return code;
}

static void put(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fchmod(fd, mode) == 0);
    close(fd);
}

static bool holds(const char *path, const char *text)
{
    char found[256] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, found, sizeof found - 1);
    close(fd);
    return n == (ssize_t)strlen(text) && strcmp(found, text) == 0;
}

static int count_in(const char *path)
{
    int count = 0;
    DIR *directory = opendir(path);
    CHECK(directory != NULL);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count - 2;
}

static void make_tree(void)
{
    struct timespec then[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    char deep[256] = "from/";
    CHECK(mkdir("from", 0755) == 0 && mkdir("to", 0755) == 0 && mkdir("from/empty", 0701) == 0);
    put("from/set", "id", 04751);
    put("from/b\xff\xfe\n \"", "any byte", 0640);
    memset(deep + 5, 'n', 200);
    put(deep, "a long name", 0644);
    CHECK(symlink("no/such\xff", "from/dangling") == 0);
    CHECK(link("from/set", "from/same") == 0 && mkfifo("from/fifo", 0600) == 0);
    put("from/sparse", "begin", 0600);
    CHECK(truncate("from/sparse", 64 * 1024 * 1024) == 0);
    put("from/hole", "", 0600);
    CHECK(truncate("from/hole", 1024 * 1024) == 0);
    CHECK(utimensat(AT_FDCWD, "from/empty", then, 0) == 0);
}

static void keeps_what_a_tree_holds(void)
{
    struct stat one, other;
    char target[64] = "", deep[256] = "to/from/";
    copy("from", false, "to");
    memset(deep + 8, 'n', 200);
    CHECK(holds("to/from/set", "id") && holds("to/from/b\xff\xfe\n \"", "any byte") && holds(deep, "a long name"));
    CHECK(stat("to/from/set", &one) == 0 && (one.st_mode & 07777) == 04751);
    CHECK(stat("to/from/same", &other) == 0 && other.st_ino == one.st_ino);
    CHECK(stat("to/from/empty", &one) == 0 && (one.st_mode & 07777) == 0701 && one.st_mtime == 1000000000);
    CHECK(readlink("to/from/dangling", target, sizeof target) == 8 && strcmp(target, "no/such\xff") == 0);
    CHECK(stat("to/from/fifo", &one) == 0 && S_ISFIFO(one.st_mode));
    CHECK(stat("to/from/sparse", &one) == 0 && one.st_size == 64 * 1024 * 1024 && one.st_blocks < 1024);
    CHECK(stat("to/from/hole", &one) == 0 && one.st_size == 1024 * 1024 && one.st_blocks < 1024);
    CHECK(count_in("to/from") == count_in("from"));
    copy("from/.", false, "to"); /* over what is there, and by itself */
    CHECK(holds("to/set", "id") && count_in("to") == count_in("from") + 1);
}

static void follows_a_link_when_told(void)
{
    struct stat status;
    CHECK(symlink("from/set", "link") == 0 && mkdir("links", 0700) == 0);
    copy("link", false, "links");
    CHECK(lstat("links/link", &status) == 0 && S_ISLNK(status.st_mode));
    copy("link", true, "links");
    CHECK(lstat("links/link", &status) == 0 && S_ISREG(status.st_mode) && holds("links/link", "id"));
}

static void tells_what_is_not_there(void)
{
    CHECK(exit_of(start_out("from/none", false, 1)) == COPY_NOT_FOUND);
    CHECK(exit_of(start_out("from/set/none", false, 1)) == COPY_NOT_FOUND);
    CHECK(take("none", "", 0) == COPY_NOT_FOUND);
}

static size_t archive_of(const char *path, char *bytes, size_t capacity)
{
    int fds[2];
    size_t used = 0;
    CHECK(pipe2(fds, O_CLOEXEC) == 0);
    pid_t out = start_out(path, false, fds[1]);
    close(fds[1]);
    for (ssize_t n; (n = read(fds[0], bytes + used, capacity - used)) > 0;)
        used += (size_t)n;
    close(fds[0]);
    CHECK(exit_of(out) == 0);
    return used;
}

static void leaves_no_half_file(void)
{
    static char bytes[65536];
    CHECK(mkdir("half", 0755) == 0 && mkdir("half/set", 0755) == 0);
    size_t length = archive_of("from/b\xff\xfe\n \"", bytes, sizeof bytes);
    CHECK(length == 4 * TAR_BLOCK_BYTES);
    CHECK(take("half", bytes, 515) == 1 && count_in("half") == 1);
    CHECK(take("half", bytes, 2 * TAR_BLOCK_BYTES) == 1); /* whole, but without its end */
    CHECK(take("half", "", 0) == 1);
    memset(bytes + 148, '1', 6);
    CHECK(take("half", bytes, length) == 1);
    length = archive_of("from/set", bytes, sizeof bytes);
    CHECK(take("half", bytes, length) == 1 && count_in("half/set") == 0); /* a directory here */
}

/* An archive of one entry that has bytes in no file. */
static int take_entry(struct tar_entry *entry)
{
    static char bytes[65536];
    FILE *out = fmemopen(bytes, sizeof bytes, "w");
    memset(bytes, 0, sizeof bytes);
    CHECK(out != NULL && tar_write_header(out, entry) && fclose(out) == 0);
    return take("out", bytes, sizeof bytes);
}

static void stays_inside(void)
{
    static struct tar_entry entry;
    struct stat status;
    CHECK(mkdir("out", 0755) == 0 && mkdir("out/in", 0755) == 0);
    entry = (struct tar_entry){.type = TAR_FILE, .path = "in/../../escaped", .uid = getuid(), .gid = getgid()};
    CHECK(take_entry(&entry) == 1 && access("escaped", F_OK) < 0);
    entry = (struct tar_entry){.type = TAR_FILE, .path = "/in/.//absolute", .uid = getuid(), .gid = getgid()};
    CHECK(take_entry(&entry) == 0 && stat("out/in/absolute", &status) == 0);
    entry = (struct tar_entry){.type = TAR_HARD_LINK, .path = "in/link", .link = "../from/set"};
    CHECK(take_entry(&entry) == 1 && access("out/in/link", F_OK) < 0);
    entry = (struct tar_entry){.type = TAR_FILE, .path = "in/map", .is_sparse = true, .size = 512, .real_size = 10};
    CHECK(take_entry(&entry) == 1 && access("out/in/map", F_OK) < 0 && count_in("out/in") == 1);
}

void test_copy(void)
{
    int back = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char command[64];
    CHECK(mkdtemp(here) != NULL && chdir(here) == 0);
    umask(022);
    make_tree();
    keeps_what_a_tree_holds();
    follows_a_link_when_told();
    tells_what_is_not_there();
    leaves_no_half_file();
    stays_inside();
    CHECK(fchdir(back) == 0);
    close(back);
    snprintf(command, sizeof command, "rm -rf %s", here);
    CHECK(system(command) == 0);
}
