#include "copy.h"

#include "files.h"
#include "tar.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define PIECE_BYTES (64 * 1024)
#define MAX_MAP_LINE 32
#define MAX_SEGMENTS (1024 * 1024)

/* A directory's time changes with what is put into it: it is set when all is there. */
struct directory {
    struct directory *next;
    long long mtime;
    char path[];
};

static struct directory *directories;
static struct tar_entry entry;
static char piece[PIECE_BYTES];
static bool keeps_owners;
/* The file being written; empty = none. A signal's handler reads it. */
static char temporary[PATH_MAX + 32];

static int failed(const char *path, const char *why)
{
    fprintf(stderr, "%s: %s\n", path, why);
    if (temporary[0] != 0)
        unlink(temporary);
    return 1;
}

static void on_end(int signal_number)
{
    if (temporary[0] != 0)
        unlink(temporary);
    _exit(128 + signal_number);
}

/* `path` without what does not count, relative to the destination; empty = the destination. False = it leads out. */
static bool normalize(char *path)
{
    char *out = path;
    for (char *part = path; *part != 0;) {
        size_t length = strcspn(part, "/");
        char *next = part + length + (part[length] != 0);
        if (length == 2 && memcmp(part, "..", 2) == 0)
            return false;
        if (length > 0 && (length != 1 || *part != '.')) {
            if (out != path)
                *out++ = '/';
            memmove(out, part, length);
            out += length;
        }
        part = next;
    }
    *out = 0;
    return true;
}

static bool make_parents(void)
{
    char *slash = strrchr(entry.path, '/');
    if (slash == NULL)
        return true;
    *slash = 0;
    bool made = file_make_directories(entry.path, 0755);
    *slash = '/';
    return made;
}

/* Owner first: a change of it takes setuid away. */
static bool dress(const char *path)
{
    struct timespec times[2] = {{.tv_sec = entry.mtime}, {.tv_sec = entry.mtime}};
    return lchown(path, keeps_owners ? entry.uid : 0, keeps_owners ? entry.gid : 0) == 0 &&
           (entry.type == TAR_SYMLINK || chmod(path, entry.mode) == 0) &&
           utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool take_piece(size_t length)
{
    return fread(piece, 1, length, stdin) == length;
}

static const char cut_short[] = "the archive ends early";

/* `length` bytes of the archive to `at`; NULL, or what is wrong. */
static const char *write_range(int fd, long long at, long long length)
{
    while (length > 0) {
        size_t n = length < PIECE_BYTES ? (size_t)length : PIECE_BYTES;
        if (!take_piece(n))
            return cut_short;
        for (size_t done = 0; done < n;) {
            ssize_t written = pwrite(fd, piece + done, n - done, at + (long long)done);
            if (written < 0 && errno == EINTR)
                continue;
            if (written <= 0)
                return strerror(errno);
            done += (size_t)written;
        }
        at += (long long)n;
        length -= (long long)n;
    }
    return NULL;
}

/* A line of the map; -1 = not a number. Takes what it read from `left`. */
static long long read_number(long long *left)
{
    char line[MAX_MAP_LINE], *end;
    if (*left <= 0 || fgets(line, sizeof line, stdin) == NULL)
        return -1;
    *left -= (long long)strlen(line);
    long long number = strtoll(line, &end, 10);
    return end != line && *end == '\n' && number >= 0 ? number : -1;
}

struct segment {
    long long start, length;
};

static const char *read_map(long long *left, struct segment **map, long long *count)
{
    static const char bad[] = "its map of holes cannot be read";
    long long before = *left;
    *count = read_number(left);
    if (*count < 0 || *count > MAX_SEGMENTS)
        return bad;
    *map = calloc((size_t)*count + 1, sizeof **map);
    if (*map == NULL)
        return strerror(ENOMEM);
    for (long long i = 0; i < *count; i++) {
        struct segment *segment = &(*map)[i];
        segment->start = read_number(left);
        segment->length = read_number(left);
        if (segment->start < 0 || segment->length < 0 || segment->length > entry.real_size ||
            segment->start > entry.real_size - segment->length)
            return bad;
    }
    long long padding = tar_padding(before - *left);
    *left -= padding;
    return *left < 0 || !tar_skip(stdin, padding) ? bad : NULL;
}

static const char *write_sparse(int fd)
{
    struct segment *map = NULL;
    long long count = 0, left = entry.size;
    const char *problem = read_map(&left, &map, &count);
    for (long long i = 0; problem == NULL && i < count; i++) {
        left -= map[i].length;
        problem = left < 0 ? "its map of holes does not fit its size" : write_range(fd, map[i].start, map[i].length);
    }
    free(map);
    if (problem == NULL && ftruncate(fd, entry.real_size) < 0)
        problem = strerror(errno);
    return problem == NULL && !tar_skip(stdin, left) ? cut_short : problem;
}

static bool is_directory(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static int write_file(void)
{
    char *slash = strrchr(entry.path, '/');
    int directory = slash == NULL ? 0 : (int)(slash - entry.path) + 1;
    if (is_directory(entry.path))
        return failed(entry.path, "is a directory here");
    snprintf(temporary, sizeof temporary, "%.*s.flintlock-XXXXXX", directory, entry.path);
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        temporary[0] = 0;
        return failed(entry.path, strerror(errno));
    }
    const char *problem = entry.is_sparse ? write_sparse(fd) : write_range(fd, 0, entry.size);
    if (close(fd) < 0 && problem == NULL)
        problem = strerror(errno);
    if (problem == NULL && (!dress(temporary) || rename(temporary, entry.path) < 0))
        problem = strerror(errno);
    if (problem != NULL)
        return failed(entry.path, problem);
    temporary[0] = 0;
    return tar_skip(stdin, tar_padding(entry.size)) ? 0 : failed(entry.path, cut_short);
}

/* One that is there keeps its mode and owner, and may be a symlink to one. */
static int make_directory(void)
{
    struct stat status;
    if (entry.path[0] == 0 || (stat(entry.path, &status) == 0 && S_ISDIR(status.st_mode)))
        return 0;
    if (mkdir(entry.path, 0700) < 0 || !dress(entry.path))
        return failed(entry.path, strerror(errno));
    struct directory *made = malloc(sizeof *made + strlen(entry.path) + 1);
    if (made == NULL)
        return failed(entry.path, strerror(errno));
    *made = (struct directory){.next = directories, .mtime = entry.mtime};
    strcpy(made->path, entry.path);
    directories = made;
    return 0;
}

static int make_node(void)
{
    static const mode_t kinds[] = {
        [TAR_CHARACTER_DEVICE - '0'] = S_IFCHR, [TAR_BLOCK_DEVICE - '0'] = S_IFBLK, [TAR_FIFO - '0'] = S_IFIFO};
    if (is_directory(entry.path))
        return failed(entry.path, "is a directory here");
    if (unlink(entry.path) < 0 && errno != ENOENT)
        return failed(entry.path, strerror(errno));
    errno = EINVAL;
    bool made = entry.type == TAR_HARD_LINK ? normalize(entry.link) && link(entry.link, entry.path) == 0
                : entry.type == TAR_SYMLINK
                    ? symlink(entry.link, entry.path) == 0
                    : mknod(entry.path, kinds[entry.type - '0'] | 0600, makedev(entry.major, entry.minor)) == 0;
    if (!made || (entry.type != TAR_HARD_LINK && !dress(entry.path)))
        return failed(entry.path, strerror(errno));
    return 0;
}

static int write_entry(void)
{
    if (!normalize(entry.path))
        return failed(entry.path, "has .. in it");
    if (entry.path[0] != 0 && !make_parents())
        return failed(entry.path, strerror(errno));
    if (entry.type == TAR_DIRECTORY)
        return make_directory();
    if (entry.path[0] == 0)
        return failed(".", "is a directory here");
    return entry.type == TAR_FILE ? write_file() : make_node();
}

int copy_in(const struct copy_in *request)
{
    const char *problem = NULL;
    int found, code = 0;
    setvbuf(stdin, NULL, _IOFBF, PIECE_BYTES);
    signal(SIGTERM, on_end);
    keeps_owners = request->keeps_owners;
    if (chdir(request->path) < 0) {
        int result = errno == ENOENT ? COPY_NOT_FOUND : 1;
        fprintf(stderr, "%s: %s\n", request->path, strerror(errno));
        return result;
    }
    while (code == 0 && (found = tar_read_header(stdin, &entry, &problem)) == 1)
        code = write_entry();
    if (code == 0 && found < 0)
        code = failed("tar", problem);
    for (const struct directory *made = directories; code == 0 && made != NULL; made = made->next) {
        struct timespec times[2] = {{.tv_sec = made->mtime}, {.tv_sec = made->mtime}};
        utimensat(AT_FDCWD, made->path, times, AT_SYMLINK_NOFOLLOW);
    }
    while (code == 0 && fread(piece, 1, sizeof piece, stdin) > 0)
        ; /* what writers of tar add behind the end */
    return code;
}
