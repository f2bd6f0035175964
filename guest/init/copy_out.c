#include "copy.h"

#include "tar.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define PIECE_BYTES (64 * 1024)
/* Each level holds a descriptor. */
#define MAX_DEPTH 256
/* More holes than these are not told: what lies behind is written in full. */
#define MAX_SEGMENTS 4096
#define LINK_BUCKETS 4096

/* A file with several names, and the first of them that was written. */
struct seen {
    struct seen *next;
    dev_t device;
    ino_t inode;
    char path[];
};

struct segment {
    long long start, length;
};

static struct seen *seen_files[LINK_BUCKETS];
static struct segment segments[MAX_SEGMENTS];
static size_t segment_count;
static char piece[PIECE_BYTES];
/* The one being written; `path` grows and shrinks with the walk. */
static struct tar_entry entry;
static bool is_changed;

static int failed(const char *path)
{
    int code = errno == ENOENT || errno == ENOTDIR ? COPY_NOT_FOUND : 1;
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return code;
}

/* The first name of this file, or NULL, and then this is it. */
static const char *first_name(const struct stat *status)
{
    struct seen **bucket = &seen_files[(status->st_ino ^ status->st_dev) % LINK_BUCKETS];
    for (struct seen *seen = *bucket; seen != NULL; seen = seen->next)
        if (seen->device == status->st_dev && seen->inode == status->st_ino)
            return seen->path;
    struct seen *seen = malloc(sizeof *seen + strlen(entry.path) + 1);
    if (seen != NULL) {
        *seen = (struct seen){.next = *bucket, .device = status->st_dev, .inode = status->st_ino};
        strcpy(seen->path, entry.path);
        *bucket = seen;
    }
    return NULL;
}

static void add_segment(long long start, long long end)
{
    struct segment *last = segment_count > 0 ? &segments[segment_count - 1] : NULL;
    if (segment_count == MAX_SEGMENTS)
        last->length = end - last->start;
    else
        segments[segment_count++] = (struct segment){start, end - start};
}

/* Where the data lies; the whole file where its file system does not tell. */
static void find_segments(int fd, long long size)
{
    segment_count = 0;
    for (long long at = 0; at < size;) {
        long long start = lseek(fd, at, SEEK_DATA), end = start < 0 ? -1 : lseek(fd, start, SEEK_HOLE);
        if (start >= size || (start < 0 && errno == ENXIO)) {
            add_segment(size, size); /* a hole to the end: an empty segment tells where that is, as GNU tar expects it */
            return;
        }
        if (start < 0 || end <= start) {
            add_segment(at, size);
            return;
        }
        add_segment(start, end < size ? end : size);
        at = end;
    }
}

/* The map of GNU's sparse format 1.0, padded; its length, and with `out` the map itself. */
static long long write_map(FILE *out)
{
    char line[64];
    long long length = snprintf(line, sizeof line, "%zu\n", segment_count);
    if (out != NULL)
        fputs(line, out);
    for (size_t i = 0; i < segment_count; i++) {
        length += snprintf(line, sizeof line, "%lld\n%lld\n", segments[i].start, segments[i].length);
        if (out != NULL)
            fputs(line, out);
    }
    if (out != NULL)
        tar_write_padding(out, length);
    return length + tar_padding(length);
}

/* What the header promised, come what may: zeros where the file became shorter meanwhile. */
static bool write_segment(FILE *out, int fd, const struct segment *segment)
{
    for (long long done = 0; done < segment->length;) {
        long long left = segment->length - done;
        size_t length = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
        ssize_t n = pread(fd, piece, length, segment->start + done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        if (n == 0) {
            is_changed = true;
            memset(piece, 0, length);
            n = (ssize_t)length;
        }
        if (fwrite(piece, (size_t)n, 1, out) != 1)
            return false;
        done += n;
    }
    return true;
}

/* Files of /proc and /sys say that they are empty: what a first read gives is all of them. */
static long long size_of(int fd, const struct stat *status)
{
    ssize_t n = status->st_size == 0 ? pread(fd, piece, sizeof piece, 0) : 0;
    return n > 0 ? n : status->st_size;
}

static int write_file(FILE *out, int fd, const struct stat *status)
{
    long long size = size_of(fd, status), stored = 0;
    find_segments(fd, size);
    for (size_t i = 0; i < segment_count; i++)
        stored += segments[i].length;
    entry.is_sparse = stored < size;
    entry.real_size = size;
    entry.size = entry.is_sparse ? stored + write_map(NULL) : size;
    bool written = tar_write_header(out, &entry);
    if (entry.is_sparse)
        write_map(out);
    for (size_t i = 0; written && i < segment_count; i++)
        written = write_segment(out, fd, &segments[i]);
    return written && tar_write_padding(out, stored) ? 0 : failed(entry.path);
}

static enum tar_type type_of(mode_t mode)
{
    return S_ISDIR(mode)   ? TAR_DIRECTORY
           : S_ISLNK(mode) ? TAR_SYMLINK
           : S_ISCHR(mode) ? TAR_CHARACTER_DEVICE
           : S_ISBLK(mode) ? TAR_BLOCK_DEVICE
           : S_ISFIFO(mode) ? TAR_FIFO
                            : TAR_FILE;
}

static void describe(const struct stat *status)
{
    entry.type = type_of(status->st_mode);
    entry.mode = status->st_mode & 07777;
    entry.uid = status->st_uid;
    entry.gid = status->st_gid;
    entry.mtime = status->st_mtime;
    entry.major = major(status->st_rdev);
    entry.minor = minor(status->st_rdev);
    entry.size = 0;
    entry.is_sparse = false;
    entry.link[0] = 0;
}

static int walk(FILE *out, int parent, const char *name, const struct stat *status, int depth);

/* What the kernel makes up as it is read has no end that could be waited for. */
static bool is_made_up(int fd)
{
    struct statfs status;
    if (fstatfs(fd, &status) < 0)
        return false;
    return status.f_type == 0x9fa0 /* proc */ || status.f_type == 0x62656572 /* sysfs */ ||
           status.f_type == 0x63677270 /* cgroup2 */ || status.f_type == 0x64626720 /* debugfs */;
}

static int walk_children(FILE *out, int fd, const struct stat *status, int depth)
{
    size_t length = strlen(entry.path);
    int code = 0;
    DIR *directory = fdopendir(fd);
    if (directory == NULL)
        return failed(entry.path);
    const struct dirent *child;
    while (code == 0 && (errno = 0, child = readdir(directory)) != NULL) {
        struct stat below;
        if (strcmp(child->d_name, ".") == 0 || strcmp(child->d_name, "..") == 0)
            continue;
        if (fstatat(fd, child->d_name, &below, AT_SYMLINK_NOFOLLOW) < 0)
            continue; /* gone meanwhile */
        if ((size_t)snprintf(entry.path + length, PATH_MAX - 1 - length, "/%s", child->d_name) >= PATH_MAX - 1 - length) {
            errno = ENAMETOOLONG;
            code = failed(entry.path);
            break;
        }
        code = walk(out, fd, child->d_name, &below, below.st_dev == status->st_dev ? depth + 1 : -depth - 1);
        entry.path[length] = 0;
    }
    if (code == 0 && errno != 0)
        code = failed(entry.path);
    closedir(directory);
    return code;
}

/* `depth` is negative where another file system begins. */
static int walk(FILE *out, int parent, const char *name, const struct stat *status, int depth)
{
    bool is_mount = depth < 0;
    depth = is_mount ? -depth : depth;
    if (S_ISSOCK(status->st_mode))
        return 0; /* means nothing elsewhere */
    describe(status);
    if (S_ISLNK(status->st_mode)) {
        ssize_t n = readlinkat(parent, name, entry.link, sizeof entry.link - 1);
        entry.link[n < 0 ? 0 : n] = 0;
        return n < 0 ? 0 : tar_write_header(out, &entry) ? 0 : failed(entry.path);
    }
    const char *first = !S_ISDIR(status->st_mode) && status->st_nlink > 1 ? first_name(status) : NULL;
    if (first != NULL) {
        entry.type = TAR_HARD_LINK;
        strcpy(entry.link, first);
    }
    if (first != NULL || (!S_ISREG(status->st_mode) && !S_ISDIR(status->st_mode)))
        return tar_write_header(out, &entry) ? 0 : failed(entry.path);
    if (depth > MAX_DEPTH) {
        fprintf(stderr, "%s: nested deeper than %d directories\n", entry.path, MAX_DEPTH);
        return 1;
    }
    int fd = openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT && depth > 0 ? 0 : failed(entry.path);
    if (S_ISREG(status->st_mode)) {
        int code = write_file(out, fd, status);
        close(fd);
        return code;
    }
    if (!tar_write_header(out, &entry)) {
        close(fd);
        return failed(entry.path);
    }
    if (!is_mount || !is_made_up(fd))
        return walk_children(out, fd, status, depth);
    close(fd);
    return 0;
}

/* The last component; "." for what has no name of its own. */
static void name_entry(const char *path)
{
    size_t end = strlen(path), start;
    while (end > 0 && path[end - 1] == '/')
        end--;
    for (start = end; start > 0 && path[start - 1] != '/'; start--)
        ;
    snprintf(entry.path, sizeof entry.path, "%.*s", (int)(end - start), path + start);
    if (entry.path[0] == 0 || strcmp(entry.path, "..") == 0)
        strcpy(entry.path, ".");
}

static int finish(FILE *out, int code)
{
    static const char end[2 * TAR_BLOCK_BYTES];
    if (code == 0 && (fwrite(end, sizeof end, 1, out) != 1 || fflush(out) != 0))
        code = failed("write");
    if (code == 0 && is_changed) {
        fprintf(stderr, "a file became shorter while it was read\n");
        code = 1;
    }
    return code;
}

static int write_header_of(FILE *out, const char *path, const struct stat *status)
{
    if (realpath(path, entry.path) == NULL)
        return failed(path);
    describe(status);
    return finish(out, tar_write_header(out, &entry) ? 0 : failed(path));
}

int copy_out(const struct copy_out *request)
{
    static char resolved[PATH_MAX];
    const char *path = request->path;
    size_t length = strlen(path);
    bool follows = request->follows_link || request->is_header_only || (length > 0 && path[length - 1] == '/');
    struct stat status;
    setvbuf(stdout, NULL, _IOFBF, PIECE_BYTES);
    if (fstatat(AT_FDCWD, path, &status, follows ? 0 : AT_SYMLINK_NOFOLLOW) < 0)
        return failed(path);
    if (request->is_header_only)
        return write_header_of(stdout, path, &status);
    name_entry(path);
    if (follows && realpath(path, resolved) == NULL)
        return failed(path);
    return finish(stdout, walk(stdout, AT_FDCWD, follows ? resolved : path, &status, 0));
}
