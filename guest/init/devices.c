#include "devices.h"

#include "clock.h"
#include "files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define PORT_WAIT_MS 400
#define BLOCK_WAIT_MS 10000
#define POLL_MS 5

static int open_port(const char *device)
{
    char path[64];
    snprintf(path, sizeof path, "/dev/%.32s", device);
    return open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
}

static bool is_wanted(const int *port)
{
    return port != NULL && *port < 0;
}

static void scan_ports(int *status, int *agent)
{
    DIR *ports = opendir("/sys/class/virtio-ports");
    for (struct dirent *port; ports != NULL && (port = readdir(ports)) != NULL;) {
        char path[320], name[64];
        snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", port->d_name);
        file_read_line(path, name, sizeof name);
        if (is_wanted(status) && strcmp(name, "dev.flintlock.status") == 0)
            *status = open_port(port->d_name);
        else if (is_wanted(agent) && strcmp(name, "dev.flintlock.agent") == 0)
            *agent = open_port(port->d_name);
    }
    if (ports != NULL)
        closedir(ports);
}

/* The driver learns of its ports, and they get their names, a little after it has found the device. */
static bool has_console_device(void)
{
    DIR *devices = opendir("/sys/bus/virtio/drivers/virtio_console");
    bool found = false;
    for (struct dirent *device; devices != NULL && !found && (device = readdir(devices)) != NULL;)
        found = strncmp(device->d_name, "virtio", 6) == 0;
    if (devices != NULL)
        closedir(devices);
    return found;
}

void devices_open_ports(int *status, int *agent)
{
    long long deadline = clock_ms() + PORT_WAIT_MS;
    bool may_come = has_console_device();
    for (;;) {
        scan_ports(status, agent);
        if (!may_come || (!is_wanted(status) && !is_wanted(agent)) || clock_ms() >= deadline)
            return;
        clock_sleep_ms(POLL_MS);
    }
}

static bool is_block(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISBLK(status.st_mode);
}

/* ext4's superblock is at 1024: magic at 0x38, UUID at 0x68, label at 0x78 (Documentation/filesystems/ext4). */
static bool read_ext4(const char *path, char uuid[37], char label[17])
{
    uint8_t block[0x88];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : pread(fd, block, sizeof block, 1024);
    if (fd >= 0)
        close(fd);
    if (n != sizeof block || block[0x38] != 0x53 || block[0x39] != 0xef)
        return false;
    for (int i = 0; i < 16; i++) {
        bool dash = i == 4 || i == 6 || i == 8 || i == 10;
        uuid += snprintf(uuid, 4, dash ? "-%02x" : "%02x", block[0x68 + i]);
    }
    memcpy(label, block + 0x78, 16);
    label[16] = 0;
    return true;
}

static bool uevent_has(const char *device, const char *key, const char *wanted)
{
    char path[320], text[1024], *rest = text;
    size_t length = strlen(key);
    snprintf(path, sizeof path, "/sys/class/block/%s/uevent", device);
    if (file_read(path, text, sizeof text) <= 0)
        return false;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;)
        if (strncmp(line, key, length) == 0 && strcasecmp(line + length, wanted) == 0)
            return true;
    return false;
}

static bool matches(const char *device, const char *path, const char *name)
{
    char uuid[40], label[17];
    if (strncmp(name, "PARTUUID=", 9) == 0)
        return uevent_has(device, "PARTUUID=", name + 9);
    if (!read_ext4(path, uuid, label))
        return false;
    return strncmp(name, "LABEL=", 6) == 0 ? strcmp(label, name + 6) == 0
                                           : strncmp(name, "UUID=", 5) == 0 && strcasecmp(uuid, name + 5) == 0;
}

static bool scan_blocks(const char *name, char path[PATH_MAX])
{
    DIR *devices = opendir("/sys/class/block");
    bool found = false;
    for (struct dirent *device; devices != NULL && !found && (device = readdir(devices)) != NULL;) {
        if (device->d_name[0] == '.')
            continue;
        snprintf(path, PATH_MAX, "/dev/%s", device->d_name);
        found = matches(device->d_name, path, name);
    }
    if (devices != NULL)
        closedir(devices);
    return found;
}

bool devices_find_block(const char *name, char path[PATH_MAX])
{
    long long deadline = clock_ms() + BLOCK_WAIT_MS;
    bool is_path = name[0] == '/';
    if (is_path)
        snprintf(path, PATH_MAX, "%s", name);
    for (;;) {
        if (is_path ? is_block(path) : scan_blocks(name, path))
            return true;
        if (clock_ms() >= deadline)
            return false;
        clock_sleep_ms(POLL_MS);
    }
}
