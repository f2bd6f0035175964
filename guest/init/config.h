/* What the host wants of this guest: packages/core/src/domain/guest-config.ts, or the kernel's command line. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define CONFIG_PATH "/flintlock/config.json"
#define CONFIG_MAX_BYTES (1024 * 1024)
#define CONFIG_MAX_MOUNTS 32
#define CONFIG_MAX_INTERFACES 16
#define CONFIG_MAX_MTU 65535

struct mount_config {
    const char *device;
    const char *path;
    const char *fs_type;
    const char *options; /* fs options from rootflags=, else "" */
    bool is_read_only;
};

struct interface_config {
    const char *mac;
    const char *name;
    const char **addresses; /* CIDRs, NULL-ended; none = DHCP */
    const char *gateway;    /* or NULL */
    unsigned mtu;           /* bytes; 0 = as the device comes */
};

struct process_config {
    const char **args;
    const char **env;
    const char *cwd;
    const char *user;
    bool tty;
    bool attach;
};

struct config {
    bool agent_is_vsock;
    const char *status;   /* block device for the status lines, or NULL: a virtio-serial port */
    const char *hostname; /* or NULL */
    struct mount_config root;
    struct mount_config mounts[CONFIG_MAX_MOUNTS];
    size_t mount_count;
    struct interface_config interfaces[CONFIG_MAX_INTERFACES];
    size_t interface_count;
    const char **nameservers;
    bool is_network_by_cloud_init; /* where the image has it */
    bool prefers_process;
    const char *init;
    bool has_process;
    struct process_config process;
};

/* Fills `config` with memory that is never freed. NULL, or what is wrong; `status` is then set, if it could be read. */
const char *config_load(struct config *config, char *cmdline);
/* As config_load, from a JSON text with 0 at its end; for tests too. */
const char *config_parse(struct config *config, char *text, size_t length);
