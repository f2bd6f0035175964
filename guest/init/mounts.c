#include "mounts.h"

#include "devices.h"
#include "files.h"
#include "log.h"
#include "modules.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOUNTS_MAX_BYTES 65536

static char problem[256];

static bool mount_kernel_fs(const char *type, const char *path, unsigned long flags, const char *options)
{
    file_make_directories(path, 0755);
    if (mount(type, path, type, flags, options) == 0 || errno == EBUSY)
        return true;
    log_line("mount %s: %s", path, strerror(errno));
    return false;
}

void mounts_early(void)
{
    mount_kernel_fs("devtmpfs", "/dev", MS_NOSUID, "mode=755");
    mount_kernel_fs("proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    mount_kernel_fs("sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

static bool needs_block_device(const char *fs_type)
{
    static const char *const without[] = {"virtiofs", "tmpfs", "9p", "overlay", "nfs", "nfs4"};
    for (size_t i = 0; i < sizeof without / sizeof *without; i++)
        if (strcmp(fs_type, without[i]) == 0)
            return false;
    return true;
}

const char *mounts_mount(const struct mount_config *mount_config, const char *target)
{
    const char *device = mount_config->device;
    char path[PATH_MAX];
    modules_load_fs(mount_config->fs_type);
    if (needs_block_device(mount_config->fs_type)) {
        if (!devices_find_block(device, path)) {
            snprintf(problem, sizeof problem, "%.200s: no such device", device);
            return problem;
        }
        device = path;
    }
    file_make_directories(target, 0755);
    unsigned long flags = mount_config->is_read_only ? MS_RDONLY : 0;
    if (mount(device, target, mount_config->fs_type, flags, mount_config->options) == 0)
        return NULL;
    const char *why = errno == ENODEV   ? "the kernel has no such file system"
                      : errno == EINVAL ? "no such file system on it, or bad options"
                                        : strerror(errno);
    snprintf(problem, sizeof problem, "%.80s on %.80s as %.20s: %s", mount_config->device, mount_config->path,
             mount_config->fs_type, why);
    return problem;
}

bool mounts_switch_root(const char *directory)
{
    static const char *const early[] = {"/sys", "/proc", "/dev"};
    if (chdir(directory) < 0)
        return false;
    for (size_t i = 0; i < sizeof early / sizeof *early; i++)
        umount2(early[i], MNT_DETACH);
    return mount(".", "/", NULL, MS_MOVE, NULL) == 0 && chroot(".") == 0 && chdir("/") == 0;
}

static bool is_empty_directory(const char *path)
{
    DIR *entries = opendir(path);
    bool empty = true;
    if (entries == NULL)
        return errno == ENOENT;
    for (struct dirent *entry; empty && (entry = readdir(entries)) != NULL;)
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
                strcmp(entry->d_name, "lost+found") == 0;
    closedir(entries);
    return empty;
}

static void link_standard_streams(void)
{
    static const char *const links[][2] = {{"/proc/self/fd", "/dev/fd"},
                                           {"/proc/self/fd/0", "/dev/stdin"},
                                           {"/proc/self/fd/1", "/dev/stdout"},
                                           {"/proc/self/fd/2", "/dev/stderr"}};
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        if (symlink(links[i][0], links[i][1]) < 0 && errno != EEXIST)
            log_line("%s: %s", links[i][1], strerror(errno));
}

void mounts_system(bool for_process, bool is_read_only)
{
    mount_kernel_fs("devtmpfs", "/dev", MS_NOSUID, "mode=755");
    mount_kernel_fs("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "mode=620,gid=5,ptmxmode=666");
    mount_kernel_fs("tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777");
    mount_kernel_fs("proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    mount_kernel_fs("sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    if (!for_process) {
        mount_kernel_fs("tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=755");
        return;
    }
    mount_kernel_fs("cgroup2", "/sys/fs/cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    /* An image may bring directories in /run that its process relies on: hide them only if there is no choice. */
    if (is_read_only || is_empty_directory("/run"))
        mount_kernel_fs("tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=755");
    if (is_read_only)
        mount_kernel_fs("tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777");
    else if (mkdir("/tmp", 0777) == 0)
        chmod("/tmp", 01777);
    link_standard_streams();
}

/* /proc/mounts writes space, tab, newline and backslash as \ooo. */
static void unescape(char *path)
{
    char *out = path;
    for (; *path; path++) {
        if (path[0] == '\\' && path[1] && path[2] && path[3]) {
            *out++ = (char)((path[1] - '0') << 6 | (path[2] - '0') << 3 | (path[3] - '0'));
            path += 3;
        } else {
            *out++ = *path;
        }
    }
    *out = 0;
}

void mounts_quiesce(void)
{
    static char text[MOUNTS_MAX_BYTES];
    char *rest = text;
    sync();
    if (file_read("/proc/mounts", text, sizeof text) <= 0) {
        mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL);
        return;
    }
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        char *device = strsep(&line, " "), *path = strsep(&line, " ");
        if (path == NULL || device[0] != '/')
            continue;
        unescape(path);
        if (mount(NULL, path, NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0 && umount2(path, 0) < 0)
            log_line("%s stays writable: %s", path, strerror(errno));
    }
}
