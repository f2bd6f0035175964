/*
 * Headers of tar archives (POSIX.1-2017, pax): one entry at a time, names as bytes. Written as ustar, with pax records
 * where that has no room; read as ustar, pax, GNU's long names, and GNU's sparse files of the pax format (1.0).
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#define TAR_BLOCK_BYTES 512

enum tar_type {
    TAR_FILE = '0',
    TAR_HARD_LINK = '1',
    TAR_SYMLINK = '2',
    TAR_CHARACTER_DEVICE = '3',
    TAR_BLOCK_DEVICE = '4',
    TAR_DIRECTORY = '5',
    TAR_FIFO = '6',
};

struct tar_entry {
    enum tar_type type;
    char path[PATH_MAX];
    char link[PATH_MAX];    /* of both kinds of links */
    mode_t mode;            /* permissions, setuid, setgid, sticky */
    uid_t uid;
    gid_t gid;
    long long mtime;        /* seconds since 1970 */
    unsigned major, minor;  /* of devices */
    long long size;         /* of what is stored behind the header, without its padding */
    bool is_sparse;         /* what is stored begins with a map of the data in `real_size` bytes */
    long long real_size;
};

/* False with errno. */
bool tar_write_header(FILE *out, const struct tar_entry *entry);
/* Zeros to the next block. */
bool tar_write_padding(FILE *out, long long size);
/* 1 and the entry, 0 at the archive's end, or -1 and what is wrong (constant). */
int tar_read_header(FILE *in, struct tar_entry *entry, const char **problem);
/* False when the archive ends first. */
bool tar_skip(FILE *in, long long length);
/* The bytes that follow `size` bytes up to the next block. */
static inline long long tar_padding(long long size)
{
    return (TAR_BLOCK_BYTES - size % TAR_BLOCK_BYTES) % TAR_BLOCK_BYTES;
}
