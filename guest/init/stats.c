#include "stats.h"

#include "files.h"
#include "json.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* proc(5): times are in ticks of sysconf(_SC_CLK_TCK) */
static unsigned long long ticks_to_ms(unsigned long long ticks)
{
    long rate = sysconf(_SC_CLK_TCK);
    return ticks * 1000 / (unsigned long long)(rate > 0 ? rate : 100);
}

static void write_cpu(FILE *out)
{
    char text[4096];
    unsigned long long user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, softirq = 0, steal = 0;
    file_read("/proc/stat", text, sizeof text);
    sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &wait, &irq, &softirq,
           &steal);
    fprintf(out, "\"cpu\":{\"count\":%ld,\"busy_ms\":%llu,\"idle_ms\":%llu,\"steal_ms\":%llu}",
            sysconf(_SC_NPROCESSORS_ONLN), ticks_to_ms(user + nice + system + irq + softirq), ticks_to_ms(idle + wait),
            ticks_to_ms(steal));
}

static void write_load(FILE *out)
{
    char text[128];
    double one = 0, five = 0, fifteen = 0, uptime = 0;
    file_read("/proc/loadavg", text, sizeof text);
    sscanf(text, "%lf %lf %lf", &one, &five, &fifteen);
    file_read("/proc/uptime", text, sizeof text);
    sscanf(text, "%lf", &uptime);
    fprintf(out, "\"uptime_ms\":%.0f,\"load\":[%.2f,%.2f,%.2f]", uptime * 1000, one, five, fifteen);
}

static unsigned long long kilobytes(const char *text, const char *key)
{
    unsigned long long value = 0;
    const char *at = strstr(text, key);
    if (at != NULL)
        sscanf(at + strlen(key), " %llu", &value);
    return value;
}

static void write_memory(FILE *out)
{
    char text[8192];
    file_read("/proc/meminfo", text, sizeof text);
    fprintf(out, "\"memory\":{\"total_bytes\":%llu,\"available_bytes\":%llu}", kilobytes(text, "MemTotal:") * 1024,
            kilobytes(text, "MemAvailable:") * 1024);
}

static void write_disk(FILE *out)
{
    struct statvfs status = {0};
    statvfs("/", &status);
    fprintf(out, "\"disk\":{\"total_bytes\":%llu,\"available_bytes\":%llu}",
            (unsigned long long)status.f_blocks * status.f_frsize, (unsigned long long)status.f_bavail * status.f_frsize);
}

static int count_processes(void)
{
    int count = 0;
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    while (proc != NULL && (entry = readdir(proc)) != NULL)
        count += isdigit((unsigned char)entry->d_name[0]) != 0;
    if (proc != NULL)
        closedir(proc);
    return count;
}

/* Of /proc/net/dev: 64 bits, where netlink's first statistics have 32. */
static void write_counters(FILE *out, const char *table, const char *name)
{
    static const char *const keys[] = {"rx_bytes", "rx_packets", "rx_errors", "rx_dropped",
                                       "tx_bytes", "tx_packets", "tx_errors", "tx_dropped"};
    unsigned long long n[8] = {0};
    size_t length = strlen(name);
    for (const char *line = table; line != NULL; line = strchr(line, '\n')) {
        line += strspn(line, "\n ");
        if (strncmp(line, name, length) == 0 && line[length] == ':') {
            sscanf(line + length + 1, "%llu %llu %llu %llu %*u %*u %*u %*u %llu %llu %llu %llu", &n[0], &n[1], &n[2],
                   &n[3], &n[4], &n[5], &n[6], &n[7]);
            break;
        }
    }
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        fprintf(out, ",\"%s\":%llu", keys[i], n[i]);
}

static int prefix_of(const uint8_t *mask, size_t length)
{
    int bits = 0;
    for (size_t i = 0; i < length; i++)
        bits += __builtin_popcount(mask[i]);
    return bits;
}

static bool write_address(FILE *out, const struct ifaddrs *item, const char *separator)
{
    char text[INET6_ADDRSTRLEN];
    int family = item->ifa_addr->sa_family;
    if (item->ifa_netmask == NULL || (family != AF_INET && family != AF_INET6))
        return false;
    bool is_v4 = family == AF_INET;
    const void *address = is_v4 ? (const void *)&((const struct sockaddr_in *)item->ifa_addr)->sin_addr
                                : &((const struct sockaddr_in6 *)item->ifa_addr)->sin6_addr;
    const void *mask = is_v4 ? (const void *)&((const struct sockaddr_in *)item->ifa_netmask)->sin_addr
                             : &((const struct sockaddr_in6 *)item->ifa_netmask)->sin6_addr;
    if (inet_ntop(family, address, text, sizeof text) == NULL)
        return false;
    fprintf(out, "%s\"%s/%d\"", separator, text, prefix_of(mask, is_v4 ? 4 : 16));
    return true;
}

static void write_interface(FILE *out, const struct ifaddrs *all, const struct ifaddrs *link, const char *table)
{
    char name[4 * IF_NAMESIZE];
    const struct sockaddr_ll *hardware = (const struct sockaddr_ll *)link->ifa_addr;
    const uint8_t *mac = hardware->sll_addr;
    int count = 0;
    json_escape(link->ifa_name, name, sizeof name);
    fprintf(out, "{\"name\":\"%s\",\"up\":%s", name, link->ifa_flags & IFF_UP ? "true" : "false");
    if (hardware->sll_halen == 6)
        fprintf(out, ",\"mac\":\"%02x:%02x:%02x:%02x:%02x:%02x\"", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
    write_counters(out, table, link->ifa_name);
    fputs(",\"addresses\":[", out);
    for (const struct ifaddrs *item = all; item != NULL && count < STATS_MAX_ADDRESSES; item = item->ifa_next)
        if (item->ifa_addr != NULL && strcmp(item->ifa_name, link->ifa_name) == 0)
            count += write_address(out, item, count > 0 ? "," : "");
    fputs("]}", out);
}

/* All but the loopback. */
static void write_interfaces(FILE *out)
{
    static char table[16384];
    struct ifaddrs *all = NULL;
    int count = 0;
    file_read("/proc/net/dev", table, sizeof table);
    fputs("\"interfaces\":[", out);
    if (getifaddrs(&all) == 0) {
        for (const struct ifaddrs *item = all; item != NULL && count < STATS_MAX_INTERFACES; item = item->ifa_next) {
            if (item->ifa_addr == NULL || item->ifa_addr->sa_family != AF_PACKET || item->ifa_flags & IFF_LOOPBACK)
                continue;
            fputs(count++ > 0 ? "," : "", out);
            write_interface(out, all, item, table);
        }
        freeifaddrs(all);
    }
    fputs("]", out);
}

void stats_write(FILE *out)
{
    fputs("{", out);
    write_load(out);
    fputs(",", out);
    write_cpu(out);
    fputs(",", out);
    write_memory(out);
    fputs(",", out);
    write_disk(out);
    fprintf(out, ",\"processes\":%d,", count_processes());
    write_interfaces(out);
    fputs("}", out);
}
