/* Small whole-file reads and writes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Reads at most `capacity - 1` bytes and ends them with 0; -1 = cannot be read. */
ssize_t file_read(const char *path, char *text, size_t capacity);
/* As file_read, without the newline at the end; an unreadable file is empty. */
void file_read_line(const char *path, char *text, size_t capacity);
/* The whole file, malloc'ed and ended with 0; NULL with errno (EFBIG above `limit`). */
char *file_load(const char *path, size_t limit, size_t *length);
/* Replaces what the file held; never follows a symlink at the end of the path. */
bool file_write(const char *path, const char *text);
/* `mkdir -p`, with `mode` for all it makes; true when the directory is there. */
bool file_make_directories(const char *path, mode_t mode);
/* Writes all of it, or false. */
bool file_write_all(int fd, const void *bytes, size_t length);
