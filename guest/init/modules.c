#include "modules.h"

#include "files.h"
#include "log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DIRECTORY "/lib/modules"
#define INDEX_MAX_BYTES 65536

/* Opened early: the files stay reachable behind the new root. */
static int directory = -1;
static char *index_text;

static bool open_index(void)
{
    size_t length;
    if (index_text == NULL) {
        directory = open(DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        index_text = file_load(DIRECTORY "/index", INDEX_MAX_BYTES, &length);
    }
    return index_text != NULL && directory >= 0;
}

static void load_file(const char *name)
{
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return; /* loaded before, see modules_load_rest; or not in this initramfs */
    if (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST)
        log_line("module %s: %s", name, strerror(errno));
    close(fd);
    unlinkat(directory, name, 0);
}

static void load_files(char *files)
{
    for (char *name; (name = strsep(&files, " ")) != NULL;)
        if (*name != 0)
            load_file(name);
}

/* NULL = every key */
static void load_key(const char *key)
{
    char *copy = open_index() ? strdup(index_text) : NULL, *rest = copy;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        char *files = strstr(line, ": ");
        if (files == NULL)
            continue;
        *files = 0;
        if (key == NULL || strcmp(line, key) == 0)
            load_files(files + 2);
    }
    free(copy);
}

static bool directory_has_entries(const char *path)
{
    DIR *entries = opendir(path);
    bool found = false;
    for (struct dirent *entry; entries != NULL && !found && (entry = readdir(entries)) != NULL;)
        found = entry->d_name[0] != '.';
    if (entries != NULL)
        closedir(entries);
    return found;
}

void modules_load_devices(void)
{
    load_key("mmio");
    if (directory_has_entries("/sys/bus/pci/devices"))
        load_key("pci");
    DIR *devices = opendir("/sys/bus/virtio/devices");
    for (struct dirent *device; devices != NULL && (device = readdir(devices)) != NULL;) {
        char path[320], id[16], key[32];
        if (device->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/sys/bus/virtio/devices/%s/device", device->d_name);
        if (file_read(path, id, sizeof id) <= 0)
            continue;
        snprintf(key, sizeof key, "virtio:%lu", strtoul(id, NULL, 16));
        load_key(key);
    }
    if (devices != NULL)
        closedir(devices);
}

void modules_load_fs(const char *fs_type)
{
    char key[64];
    snprintf(key, sizeof key, "fs:%s", fs_type);
    load_key(key);
}

void modules_load_for_init(void)
{
    load_key("button");
    load_key("fs:iso9660");
    load_key("fs:vfat");
}

void modules_load_rest(void)
{
    load_key(NULL);
}
