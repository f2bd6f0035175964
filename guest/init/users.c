#include "users.h"

#include "files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_LIMIT (1024 * 1024)

static bool parse_id(const char *text, unsigned *id)
{
    unsigned long long value = 0;
    if (*text == 0)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        value = value * 10 + (unsigned)(*text - '0');
        if (value > 0x7fffffff)
            return false;
    }
    *id = (unsigned)value;
    return true;
}

/* Cuts the next line off *text and splits it at colons; 0 fields = end. */
static size_t next_entry(char **text, char *fields[], size_t capacity)
{
    while (*text != NULL && **text != 0) {
        char *line = strsep(text, "\n");
        size_t count = 0;
        while (count < capacity && line != NULL)
            fields[count++] = strsep(&line, ":");
        if (count > 2 && fields[0][0] != 0 && fields[0][0] != '#')
            return count;
    }
    return 0;
}

static bool find_user(const char *path, const char *wanted, struct user *user)
{
    size_t length;
    char *text = file_load(path, FILE_LIMIT, &length), *rest = text, *fields[7];
    unsigned number, uid, gid;
    bool is_number = parse_id(wanted, &number), found = false;
    for (size_t n; !found && (n = next_entry(&rest, fields, 7)) > 0;) {
        if (n < 6 || !parse_id(fields[2], &uid) || !parse_id(fields[3], &gid))
            continue;
        found = strcmp(fields[0], wanted) == 0 || (is_number && uid == number);
        if (!found)
            continue;
        user->uid = uid;
        user->gid = gid;
        snprintf(user->name, sizeof user->name, "%s", fields[0]);
        if (fields[5][0] == '/')
            snprintf(user->home, sizeof user->home, "%s", fields[5]);
    }
    free(text);
    return found;
}

static bool find_group(const char *path, const char *wanted, gid_t *gid)
{
    size_t length;
    char *text = file_load(path, FILE_LIMIT, &length), *rest = text, *fields[4];
    unsigned number, id;
    bool is_number = parse_id(wanted, &number), found = false;
    while (!found && next_entry(&rest, fields, 4) > 0) {
        if (!parse_id(fields[2], &id))
            continue;
        found = strcmp(fields[0], wanted) == 0 || (is_number && id == number);
        if (found)
            *gid = id;
    }
    free(text);
    return found;
}

static void find_memberships(const char *path, struct user *user)
{
    size_t length;
    char *text = file_load(path, FILE_LIMIT, &length), *rest = text, *fields[4];
    unsigned id;
    for (size_t n; user->group_count < USER_MAX_GROUPS && (n = next_entry(&rest, fields, 4)) > 0;) {
        if (n < 4 || !parse_id(fields[2], &id))
            continue;
        for (char *members = fields[3], *member; (member = strsep(&members, ",")) != NULL;) {
            if (strcmp(member, user->name) != 0)
                continue;
            user->groups[user->group_count++] = id;
            break;
        }
    }
    free(text);
}

bool user_resolve(const char *passwd_path, const char *group_path, const char *spec, struct user *user, char *error,
                  size_t error_capacity)
{
    char name[256];
    unsigned number;
    *user = (struct user){.home = "/"};
    if (strlen(spec) >= sizeof name) {
        snprintf(error, error_capacity, "user: longer than %zu bytes", sizeof name - 1);
        return false;
    }
    strcpy(name, spec);
    char *group = strchr(name, ':');
    if (group != NULL)
        *group++ = 0;
    bool listed = find_user(passwd_path, name[0] ? name : "0", user);
    if (!listed && name[0]) {
        if (!parse_id(name, &number)) {
            snprintf(error, error_capacity, "user %s: not in the image's /etc/passwd", name);
            return false;
        }
        user->uid = number;
    }
    bool names_group = group != NULL && *group;
    if (names_group && !find_group(group_path, group, &user->gid)) {
        if (!parse_id(group, &number)) {
            snprintf(error, error_capacity, "group %s: not in the image's /etc/group", group);
            return false;
        }
        user->gid = number;
    }
    /* The primary group is a supplementary one too, or a setgid program could drop it: CVE-2022-36109. */
    user->groups[user->group_count++] = user->gid;
    if (listed && !names_group)
        find_memberships(group_path, user);
    return true;
}
