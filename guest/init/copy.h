/*
 * Files as tar streams, for the control port's `read-files` and `write-files`. Each runs in a process of its own, as a
 * command does, reads and writes as root, and says on stderr why it failed. The result is its exit code.
 */
#pragma once

#include <stdbool.h>

/* Exit code: the path is not there. Any other failure is 1. */
#define COPY_NOT_FOUND 2

struct copy_out {
    const char *path;
    bool follows_link;    /* where `path` is a symlink, what it leads to is meant */
    bool is_header_only;  /* the header alone, named by the path with all symlinks resolved; follows the last one too */
};

struct copy_in {
    const char *path;     /* a directory that is there */
    bool keeps_owners;    /* those of the archive; else all belongs to root */
};

/* To descriptor 1: the tree at `path`, its entries named from the last component of `path` on, "." for `/` and `…/.`. */
int copy_out(const struct copy_out *request);
/* From descriptor 0, to the archive's end. A file has its name only once it is whole. */
int copy_in(const struct copy_in *request);
