/* `user[:group]` against the image's own files, as docker and runc do it. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define USER_MAX_GROUPS 64

struct user {
    uid_t uid;
    gid_t gid;
    gid_t groups[USER_MAX_GROUPS]; /* supplementary */
    size_t group_count;
    char name[64];                 /* empty when passwd does not have it */
    char home[PATH_MAX];
};

/*
 * Names or numbers; empty = uid 0. A number needs no entry. With an explicit group there are no further
 * groups. False with `error` when a name has no entry.
 */
bool user_resolve(const char *passwd_path, const char *group_path, const char *spec, struct user *user, char *error,
                  size_t error_capacity);
