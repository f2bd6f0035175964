#include "config.h"

#include "files.h"
#include "json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char problem[128];

static const char *wrong(const char *field, const char *why)
{
    snprintf(problem, sizeof problem, "%s: %s", field, why);
    return problem;
}

static bool is_absolute(const char *path)
{
    return path != NULL && path[0] == '/';
}

static const char *parse_mount(const struct json *json, struct mount_config *mount, bool is_root)
{
    *mount = (struct mount_config){
        .device = json_string(json, "device", NULL),
        .path = is_root ? "/" : json_string(json, "path", NULL),
        .fs_type = json_string(json, "fsType", "ext4"),
        .options = "",
        .is_read_only = json_bool(json, "isReadOnly", false),
    };
    if (mount->device == NULL)
        return wrong(is_root ? "root.device" : "mounts[].device", "missing");
    if (!is_absolute(mount->path))
        return wrong("mounts[].path", "must be an absolute path");
    return NULL;
}

static const char *parse_interface(const struct json *json, struct interface_config *interface)
{
    *interface = (struct interface_config){
        .mac = json_string(json, "mac", NULL),
        .name = json_string(json, "name", NULL),
        .addresses = json_strings(json_get(json, "addresses")),
        .gateway = json_string(json, "gateway", NULL),
    };
    long long mtu = json_integer(json, "mtu", 0);
    if (mtu < 0 || mtu > CONFIG_MAX_MTU)
        return wrong("interfaces[].mtu", "must be 0 to 65535");
    interface->mtu = (unsigned)mtu;
    if (interface->mac == NULL)
        return wrong("interfaces[].mac", "missing");
    if (interface->addresses == NULL)
        return wrong("interfaces[].addresses", "must be an array of strings");
    return NULL;
}

static const char *parse_process(const struct json *json, struct process_config *process)
{
    *process = (struct process_config){
        .args = json_strings(json_get(json, "args")),
        .env = json_strings(json_get(json, "env")),
        .cwd = json_string(json, "cwd", "/"),
        .user = json_string(json, "user", ""),
        .tty = json_bool(json, "tty", false),
        .attach = json_bool(json, "attach", false),
    };
    if (process->args == NULL || process->args[0] == NULL)
        return wrong("boot.process.args", "must be a non-empty array of strings");
    if (process->env == NULL)
        return wrong("boot.process.env", "must be an array of strings");
    if (process->cwd[0] == 0)
        process->cwd = "/";
    if (!is_absolute(process->cwd))
        return wrong("boot.process.cwd", "must be an absolute path");
    return NULL;
}

static const char *parse_boot(const struct json *json, struct config *config)
{
    config->prefers_process = strcmp(json_string(json, "prefer", "init"), "process") == 0;
    config->init = json_string(json, "init", "/sbin/init");
    if (!is_absolute(config->init))
        return wrong("boot.init", "must be an absolute path");
    const struct json *process = json_get(json, "process");
    config->has_process = process != NULL;
    return process != NULL ? parse_process(process, &config->process) : NULL;
}

static const char *parse_channels(const struct json *json, struct config *config)
{
    const char *agent = json_string(json, "agent", NULL);
    config->status = json_string(json, "status", NULL);
    config->agent_is_vsock = agent != NULL && strcmp(agent, "vsock") == 0;
    if (config->status != NULL && strncmp(config->status, "/dev/", 5) != 0) {
        config->status = NULL;
        return wrong("status", "must be below /dev/");
    }
    return agent == NULL || config->agent_is_vsock ? NULL : wrong("agent", "must be \"vsock\" or left out");
}

const char *config_parse(struct config *config, char *text, size_t length)
{
    const char *error = NULL;
    *config = (struct config){0};
    struct json *json = json_parse(text, length, &error);
    if (json == NULL)
        return wrong("JSON", error);
    error = parse_channels(json, config);
    if (error != NULL)
        return error;
    if (json_integer(json, "version", 0) != 1)
        return wrong("version", "must be 1");
    config->hostname = json_string(json, "hostname", NULL);
    config->nameservers = json_strings(json_get(json, "nameservers"));
    config->is_network_by_cloud_init = json_bool(json, "isNetworkByCloudInit", true);
    if (config->nameservers == NULL)
        return wrong("nameservers", "must be an array of strings");
    error = parse_mount(json_get(json, "root"), &config->root, true);
    const struct json *list = json_get(json, "mounts");
    for (const struct json *item = list ? list->child : NULL; item != NULL && error == NULL; item = item->next) {
        if (config->mount_count == CONFIG_MAX_MOUNTS)
            return wrong("mounts", "more than 32");
        error = parse_mount(item, &config->mounts[config->mount_count++], false);
    }
    list = json_get(json, "interfaces");
    for (const struct json *item = list ? list->child : NULL; item != NULL && error == NULL; item = item->next) {
        if (config->interface_count == CONFIG_MAX_INTERFACES)
            return wrong("interfaces", "more than 16");
        error = parse_interface(item, &config->interfaces[config->interface_count++]);
    }
    return error != NULL ? error : parse_boot(json_get(json, "boot"), config);
}

static const char *from_cmdline(struct config *config, char *cmdline)
{
    static const char *none[1];
    *config = (struct config){
        .root = {.device = "/dev/vda", .path = "/", .fs_type = "ext4", .options = ""},
        .nameservers = none,
        .init = "/sbin/init",
    };
    for (char *word; (word = strsep(&cmdline, " \n")) != NULL;) {
        if (strncmp(word, "root=", 5) == 0)
            config->root.device = word + 5;
        else if (strncmp(word, "rootfstype=", 11) == 0)
            config->root.fs_type = word + 11;
        else if (strncmp(word, "rootflags=", 10) == 0)
            config->root.options = word + 10;
        else if (strncmp(word, "init=", 5) == 0)
            config->init = word + 5;
        else if (strcmp(word, "ro") == 0)
            config->root.is_read_only = true;
        else if (strcmp(word, "rw") == 0)
            config->root.is_read_only = false;
    }
    return NULL;
}

const char *config_load(struct config *config, char *cmdline)
{
    size_t length;
    char *text = file_load(CONFIG_PATH, CONFIG_MAX_BYTES, &length);
    if (text == NULL)
        return errno == ENOENT ? from_cmdline(config, cmdline) : wrong(CONFIG_PATH, strerror(errno));
    return config_parse(config, text, length);
}
