#include "tar.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_EXTENSION_BYTES (64 * 1024)
#define MAX_OCTAL_12 077777777777LL
#define MAX_OCTAL_8 07777777LL

struct block {
    char name[100];
    char mode[8], uid[8], gid[8], size[12], mtime[12];
    char checksum[8];
    char type;
    char link[100];
    char magic[8];
    char user[32], group[32], major[8], minor[8];
    char prefix[155];
    char rest[12];
};

_Static_assert(sizeof(struct block) == TAR_BLOCK_BYTES, "a tar header is one block");

static unsigned sum_of(const struct block *block)
{
    const uint8_t *bytes = (const uint8_t *)block;
    unsigned sum = 8 * ' ';
    for (size_t i = 0; i < sizeof *block; i++)
        if (i < offsetof(struct block, checksum) || i >= offsetof(struct block, type))
            sum += bytes[i];
    return sum;
}

/* ---- writing ---- */

struct records {
    char text[2 * PATH_MAX + 1024];
    size_t used;
};

/* A record's length counts its own digits. */
static void add_record(struct records *records, const char *key, const char *value)
{
    size_t rest = strlen(key) + strlen(value) + 3, length = 0, next = rest;
    while (length != next) {
        length = next;
        next = rest + (size_t)snprintf(NULL, 0, "%zu", length);
    }
    records->used += (size_t)sprintf(records->text + records->used, "%zu %s=%s\n", length, key, value);
}

static void add_number(struct records *records, const char *key, long long value)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", value);
    add_record(records, key, text);
}

/* Into the field, or, where it has no room, into the records. */
static void put_number(char *field, size_t capacity, long long value, struct records *records, const char *key)
{
    bool fits = value >= 0 && value <= (capacity == 12 ? MAX_OCTAL_12 : MAX_OCTAL_8);
    snprintf(field, capacity, "%0*llo", (int)capacity - 1, fits ? (unsigned long long)value : 0);
    if (!fits)
        add_number(records, key, value);
}

static void put_text(char field[100], const char *text, struct records *records, const char *key)
{
    size_t length = strlen(text);
    memcpy(field, text, length < 100 ? length : 100);
    if (length > 100)
        add_record(records, key, text);
}

static bool put_block(FILE *out, struct block *block)
{
    memcpy(block->magic, "ustar\00000", sizeof block->magic);
    snprintf(block->checksum, sizeof block->checksum, "%06o", sum_of(block));
    block->checksum[7] = ' ';
    return fwrite(block, sizeof *block, 1, out) == 1;
}

static bool put_records(FILE *out, const struct records *records)
{
    struct block block = {.type = 'x', .name = "pax", .mode = "0000644", .uid = "0000000", .gid = "0000000",
                          .mtime = "00000000000"};
    snprintf(block.size, sizeof block.size, "%011o", (unsigned)records->used & 077777777);
    return put_block(out, &block) && fwrite(records->text, records->used, 1, out) == 1 &&
           tar_write_padding(out, (long long)records->used);
}

bool tar_write_header(FILE *out, const struct tar_entry *entry)
{
    struct block block = {.type = (char)entry->type};
    static struct records records;
    static char path[PATH_MAX + 32];
    records.used = 0;
    snprintf(path, sizeof path, "%s%s", entry->path, entry->type == TAR_DIRECTORY ? "/" : "");
    if (entry->is_sparse) {
        add_number(&records, "GNU.sparse.major", 1);
        add_number(&records, "GNU.sparse.minor", 0);
        add_record(&records, "GNU.sparse.name", path);
        add_number(&records, "GNU.sparse.realsize", entry->real_size);
        snprintf(block.name, sizeof block.name, "GNUSparseFile.0/%.80s", strrchr(path, '/') ? strrchr(path, '/') + 1 : path);
    } else {
        put_text(block.name, path, &records, "path");
    }
    put_text(block.link, entry->link, &records, "linkpath");
    snprintf(block.mode, sizeof block.mode, "%07o", entry->mode & 07777);
    put_number(block.uid, sizeof block.uid, entry->uid, &records, "uid");
    put_number(block.gid, sizeof block.gid, entry->gid, &records, "gid");
    put_number(block.size, sizeof block.size, entry->size, &records, "size");
    put_number(block.mtime, sizeof block.mtime, entry->mtime, &records, "mtime");
    snprintf(block.major, sizeof block.major, "%07o", entry->major & 07777777);
    snprintf(block.minor, sizeof block.minor, "%07o", entry->minor & 07777777);
    return (records.used == 0 || put_records(out, &records)) && put_block(out, &block);
}

bool tar_write_padding(FILE *out, long long size)
{
    static const char zeros[TAR_BLOCK_BYTES];
    size_t length = (size_t)tar_padding(size);
    return length == 0 || fwrite(zeros, length, 1, out) == 1;
}

/* ---- reading ---- */

/* Octal, or, with the first bit set, a big-endian number; -1 = neither, or negative. */
static long long number_of(const char *field, size_t capacity)
{
    long long value = 0;
    size_t i = 0;
    if ((uint8_t)field[0] & 0x80) {
        value = field[0] & 0x7f;
        for (i = 1; i < capacity; i++) {
            if (value > LLONG_MAX >> 8)
                return -1;
            value = value << 8 | (uint8_t)field[i];
        }
        return value;
    }
    while (i < capacity && field[i] == ' ')
        i++;
    for (; i < capacity && field[i] != 0 && field[i] != ' '; i++) {
        if (field[i] < '0' || field[i] > '7')
            return -1;
        value = value << 3 | (field[i] - '0');
    }
    return value;
}

/* What extension headers said of the entry that follows them; a path that is empty and a number below 0 are not said. */
struct extension {
    char path[PATH_MAX], link[PATH_MAX];
    long long size, uid, gid, mtime, real_size;
    int sparse_major;
    bool has_mtime;
};

static bool take_text(char *at, const char *text, size_t length)
{
    if (length >= PATH_MAX || memchr(text, 0, length) != NULL)
        return false;
    memcpy(at, text, length);
    at[length] = 0;
    return true;
}

static bool take_count(long long *at, const char *text)
{
    char *end;
    errno = 0;
    *at = strtoll(text, &end, 10);
    return errno == 0 && end != text && (*end == 0 || *end == '.') && *at >= 0;
}

/* False when it cannot be so. `value` has a 0 at its end. */
static bool take_record(struct extension *extension, const char *key, const char *value, size_t length)
{
    if (strcmp(key, "path") == 0 || strcmp(key, "GNU.sparse.name") == 0)
        return take_text(extension->path, value, length);
    if (strcmp(key, "linkpath") == 0)
        return take_text(extension->link, value, length);
    if (strcmp(key, "size") == 0)
        return take_count(&extension->size, value);
    if (strcmp(key, "uid") == 0)
        return take_count(&extension->uid, value);
    if (strcmp(key, "gid") == 0)
        return take_count(&extension->gid, value);
    if (strcmp(key, "GNU.sparse.realsize") == 0)
        return take_count(&extension->real_size, value);
    if (strcmp(key, "GNU.sparse.major") == 0)
        return strcmp(value, "1") == 0 && (extension->sparse_major = 1);
    if (strncmp(key, "GNU.sparse.", 11) == 0)
        return strcmp(key, "GNU.sparse.minor") == 0;
    if (strcmp(key, "mtime") == 0) {
        extension->has_mtime = true;
        extension->mtime = strtoll(value, NULL, 10);
    }
    return true;
}

/* `text` has a 0 at its end. */
static bool take_records(struct extension *extension, char *text, size_t length)
{
    for (size_t start = 0; start < length;) {
        char *key, *end = NULL;
        unsigned long n = strtoul(text + start, &key, 10);
        if (*key != ' ' || n == 0 || n > length - start || text[start + n - 1] != '\n')
            return false;
        end = text + start + n - 1;
        char *equals = memchr(key, '=', (size_t)(end - key));
        if (equals == NULL)
            return false;
        *equals = *end = 0;
        if (!take_record(extension, key + 1, equals + 1, (size_t)(end - equals - 1)))
            return false;
        start += n;
    }
    return true;
}

static const char cut_short[] = "the archive ends early";
static const char malformed[] = "not a tar archive, or a damaged one";

static const char *read_extension(FILE *in, const struct block *block, struct extension *extension)
{
    long long size = number_of(block->size, sizeof block->size);
    if (size < 0 || size > MAX_EXTENSION_BYTES)
        return "an extension header is too long";
    static char text[MAX_EXTENSION_BYTES + 1];
    if (fread(text, 1, (size_t)size, in) != (size_t)size || !tar_skip(in, tar_padding(size)))
        return cut_short;
    text[size] = 0;
    switch (block->type) {
    case 'x':
        return take_records(extension, text, (size_t)size) ? NULL : "a pax record cannot be read";
    case 'L':
        return take_text(extension->path, text, strlen(text)) ? NULL : "a name is too long";
    case 'K':
        return take_text(extension->link, text, strlen(text)) ? NULL : "a name is too long";
    default:
        return NULL; /* 'g': of no entry in particular, such as git's commit */
    }
}

static void field_text(char *at, const char *prefix, size_t prefix_length, const char *name)
{
    size_t n = strnlen(prefix, prefix_length);
    sprintf(at, "%.*s%s%.100s", (int)n, prefix, n > 0 ? "/" : "", name);
}

static const char *to_entry(const struct block *block, const struct extension *extension, struct tar_entry *entry)
{
    bool is_ustar = memcmp(block->magic, "ustar", 6) == 0;
    char type = block->type == 0 || block->type == '7' ? '0' : block->type;
    if (type < '0' || type > '6')
        return type == 'S' ? "sparse files of GNU's own format are not taken: write it with tar --format=pax"
                           : "an entry is of a type that is not known";
    *entry = (struct tar_entry){.type = (enum tar_type)type, .is_sparse = extension->sparse_major == 1};
    if (extension->path[0] != 0)
        strcpy(entry->path, extension->path);
    else
        field_text(entry->path, block->prefix, is_ustar ? sizeof block->prefix : 0, block->name);
    if (extension->link[0] != 0)
        strcpy(entry->link, extension->link);
    else
        field_text(entry->link, "", 0, block->link);
    long long mode = number_of(block->mode, sizeof block->mode);
    long long uid = extension->uid >= 0 ? extension->uid : number_of(block->uid, sizeof block->uid);
    long long gid = extension->gid >= 0 ? extension->gid : number_of(block->gid, sizeof block->gid);
    entry->size = extension->size >= 0 ? extension->size : number_of(block->size, sizeof block->size);
    entry->mtime = extension->has_mtime ? extension->mtime : number_of(block->mtime, sizeof block->mtime);
    entry->real_size = entry->is_sparse ? extension->real_size : entry->size;
    if (mode < 0 || uid < 0 || uid > UINT32_MAX || gid < 0 || gid > UINT32_MAX || entry->size < 0 || entry->real_size < 0)
        return malformed;
    entry->mode = (mode_t)mode & 07777;
    entry->uid = (uid_t)uid;
    entry->gid = (gid_t)gid;
    entry->major = (unsigned)number_of(block->major, sizeof block->major);
    entry->minor = (unsigned)number_of(block->minor, sizeof block->minor);
    if (type != '0') /* some writers give a link its target's size; no data follows it all the same */
        entry->size = entry->real_size = 0;
    size_t length = strlen(entry->path);
    if (type == '0' && length > 0 && entry->path[length - 1] == '/')
        entry->type = TAR_DIRECTORY; /* before ustar */
    return NULL;
}

int tar_read_header(FILE *in, struct tar_entry *entry, const char **problem)
{
    static struct extension extension;
    struct block block;
    static const struct block zeros;
    extension = (struct extension){.size = -1, .uid = -1, .gid = -1, .real_size = -1};
    for (;;) {
        *problem = cut_short;
        if (fread(&block, sizeof block, 1, in) != 1)
            return -1;
        if (memcmp(&block, &zeros, sizeof block) == 0)
            return 0;
        *problem = malformed;
        if (number_of(block.checksum, sizeof block.checksum) != sum_of(&block))
            return -1;
        if (strchr("xgLKV", block.type) == NULL || block.type == 0)
            break;
        *problem = read_extension(in, &block, &extension);
        if (*problem != NULL)
            return -1;
    }
    *problem = to_entry(&block, &extension, entry);
    return *problem == NULL ? 1 : -1;
}

bool tar_skip(FILE *in, long long length)
{
    char bytes[4096];
    while (length > 0) {
        size_t n = length < (long long)sizeof bytes ? (size_t)length : sizeof bytes;
        if (fread(bytes, 1, n, in) != n)
            return false;
        length -= (long long)n;
    }
    return true;
}
