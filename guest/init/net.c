#include "net.h"

#include "dhcp.h"
#include "files.h"
#include "log.h"
#include "netlink.h"

#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of the first interface's default route: where several lead everywhere, the first of the list does. */
#define FIRST_METRIC 100

static int find_by_mac(const char *mac, char name[IF_NAMESIZE])
{
    DIR *interfaces = opendir("/sys/class/net");
    int index = 0;
    for (struct dirent *entry; interfaces != NULL && index == 0 && (entry = readdir(interfaces)) != NULL;) {
        char path[320], address[32];
        snprintf(path, sizeof path, "/sys/class/net/%s/address", entry->d_name);
        file_read_line(path, address, sizeof address);
        if (strcasecmp(address, mac) != 0 || strlen(entry->d_name) >= IF_NAMESIZE)
            continue;
        strcpy(name, entry->d_name);
        index = (int)if_nametoindex(name);
    }
    if (interfaces != NULL)
        closedir(interfaces);
    return index;
}

static bool add_addresses(const struct interface_config *interface, int index)
{
    bool has_any = false;
    for (const char **text = interface->addresses; *text != NULL; text++) {
        struct address address;
        if (!address_parse(*text, &address))
            log_line("interface %s: %s is no address", interface->mac, *text);
        else if (!netlink_add_address(index, &address, 0))
            log_line("interface %s: %s: %s", interface->mac, *text, strerror(errno));
        else
            has_any = true;
    }
    return has_any;
}

/* The kernel may have given the name to an interface that comes later in the list, or is not in it. */
static void make_room(const char *name)
{
    char other[IF_NAMESIZE];
    int index = (int)if_nametoindex(name);
    if (index == 0 || index == (int)if_nametoindex("lo"))
        return;
    snprintf(other, sizeof other, "net%d", index);
    if (!netlink_set_name(index, other))
        log_line("interface %s: name %s: %s", name, other, strerror(errno));
}

void net_name(const struct config *config)
{
    for (size_t i = 0; i < config->interface_count; i++) {
        const struct interface_config *interface = &config->interfaces[i];
        char name[IF_NAMESIZE];
        int index = find_by_mac(interface->mac, name);
        if (index == 0) {
            log_line("interface %s: there is none", interface->mac);
            continue;
        }
        if (interface->name != NULL && strcmp(name, interface->name) != 0) {
            make_room(interface->name);
            if (!netlink_set_name(index, interface->name))
                log_line("interface %s: name %s: %s", interface->mac, interface->name, strerror(errno));
        }
        if (interface->mtu != 0 && !netlink_set_mtu(index, interface->mtu))
            log_line("interface %s: MTU %u: %s", interface->mac, interface->mtu, strerror(errno));
    }
}

static void set_up(const struct config *config, const struct interface_config *interface, bool for_process)
{
    char name[IF_NAMESIZE];
    struct address gateway;
    uint32_t metric = FIRST_METRIC + (uint32_t)(interface - config->interfaces);
    int index = find_by_mac(interface->mac, name);
    if (index == 0)
        return;
    if (!netlink_set_up(index))
        log_line("interface %s: up: %s", name, strerror(errno));
    if (interface->addresses[0] == NULL) {
        dhcp_start(name, index, metric,
                   config->nameservers[0] != NULL ? RESOLV_LEAVE
                   : for_process                  ? RESOLV_FOR_PROCESS
                                                  : RESOLV_FOR_INIT);
        return;
    }
    add_addresses(interface, index);
    if (interface->gateway == NULL)
        return;
    if (!address_parse(interface->gateway, &gateway))
        log_line("interface %s: gateway %s is no address", name, interface->gateway);
    else if (!netlink_add_default_route(index, &gateway, metric))
        log_line("interface %s: gateway %s: %s", name, interface->gateway, strerror(errno));
}

void net_up(const struct config *config, bool for_process)
{
    if (!netlink_set_up((int)if_nametoindex("lo")))
        log_line("interface lo: %s", strerror(errno));
    for (size_t i = 0; i < config->interface_count; i++)
        set_up(config, &config->interfaces[i], for_process);
}

void net_keep_from_cloud_init(void)
{
    static const char path[] = "/etc/cloud/cloud.cfg.d/99-flintlock-network.cfg";
    if (!file_write(path, "network: {config: disabled}\n"))
        log_line("%s: %s", path, strerror(errno));
}

static void write_if_missing(const char *path, const char *text)
{
    struct stat status;
    if (lstat(path, &status) < 0 || (S_ISREG(status.st_mode) && status.st_size == 0))
        file_write(path, text);
}

/* On a read-only root the file is shadowed by one in /run, which is a tmpfs there. */
static void shadow(const char *path, const char *copy, const char *text)
{
    if (file_write(copy, text) && mount(copy, path, NULL, MS_BIND, NULL) < 0)
        log_line("%s: %s", path, strerror(errno));
}

void net_write_resolv(const char *const *nameservers, bool for_process)
{
    static const char path[] = "/etc/resolv.conf";
    char text[1024] = "";
    size_t used = 0;
    struct stat status;
    for (; *nameservers != NULL && used < sizeof text; nameservers++)
        used += (size_t)snprintf(text + used, sizeof text - used, "nameserver %s\n", *nameservers);
    if (used == 0 || used >= sizeof text)
        return;
    bool is_missing = lstat(path, &status) < 0;
    bool is_dangling = !is_missing && S_ISLNK(status.st_mode) && access(path, F_OK) < 0;
    bool is_file = !is_missing && S_ISREG(status.st_mode);
    if (!is_missing && !(is_file && (status.st_size == 0 || for_process)) && !(is_dangling && for_process))
        return;
    if (is_dangling)
        unlink(path);
    if (is_missing || is_dangling)
        file_make_directories("/etc", 0755);
    if (!file_write(path, text) && errno == EROFS && for_process && is_file)
        shadow(path, "/run/flintlock-resolv.conf", text);
}

void net_write_files(const struct config *config, bool for_process)
{
    if (config->hostname != NULL && *config->hostname) {
        if (sethostname(config->hostname, strlen(config->hostname)) < 0)
            log_line("hostname: %s", strerror(errno));
        if (for_process) {
            char text[512];
            file_make_directories("/etc", 0755);
            snprintf(text, sizeof text, "%s\n", config->hostname);
            write_if_missing("/etc/hostname", text);
            snprintf(text, sizeof text,
                     "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t%s\n",
                     config->hostname);
            write_if_missing("/etc/hosts", text);
        }
    }
    net_write_resolv((const char *const *)config->nameservers, for_process);
}
