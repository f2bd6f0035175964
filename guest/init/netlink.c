#include "netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct request {
    struct nlmsghdr header;
    union {
        struct ifinfomsg link;
        struct ifaddrmsg address;
        struct rtmsg route;
    } body;
    uint8_t attributes[256];
};

bool address_parse(const char *text, struct address *address)
{
    char host[64];
    size_t length = strcspn(text, "/");
    if (length >= sizeof host)
        return false;
    memcpy(host, text, length);
    host[length] = 0;
    *address = (struct address){.family = strchr(host, ':') ? AF_INET6 : AF_INET};
    if (inet_pton(address->family, host, address->bytes) != 1)
        return false;
    int bits = address->family == AF_INET6 ? 128 : 32;
    address->prefix = bits;
    if (text[length] == 0)
        return true;
    char *end;
    long prefix = strtol(text + length + 1, &end, 10);
    address->prefix = (int)prefix;
    return *end == 0 && end != text + length + 1 && prefix >= 0 && prefix <= bits;
}

static size_t bytes_of(const struct address *address)
{
    return address->family == AF_INET6 ? 16 : 4;
}

static void start(struct request *request, int type, int flags, size_t body)
{
    memset(request, 0, sizeof *request);
    request->header.nlmsg_type = (uint16_t)type;
    request->header.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
    request->header.nlmsg_len = NLMSG_LENGTH(body);
}

static void attach(struct request *request, int type, const void *bytes, size_t length)
{
    size_t offset = NLMSG_ALIGN(request->header.nlmsg_len);
    struct rtattr *attribute = (struct rtattr *)((uint8_t *)request + offset);
    attribute->rta_type = (uint16_t)type;
    attribute->rta_len = (uint16_t)RTA_LENGTH(length);
    memcpy(RTA_DATA(attribute), bytes, length);
    request->header.nlmsg_len = (uint32_t)(offset + RTA_ALIGN(attribute->rta_len));
}

static bool run(struct request *request)
{
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        uint8_t rest[512];
    } answer;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0)
        return false;
    ssize_t n = send(fd, request, request->header.nlmsg_len, 0);
    if (n >= 0)
        n = recv(fd, &answer, sizeof answer, 0); /* rtnetlink answers before send returns */
    int saved = errno;
    close(fd);
    if (n < (ssize_t)(sizeof answer.header + sizeof answer.error)) {
        errno = n < 0 ? saved : EPROTO;
        return false;
    }
    errno = -answer.error.error;
    return answer.error.error == 0;
}

bool netlink_set_name(int index, const char *name)
{
    struct request request;
    start(&request, RTM_NEWLINK, 0, sizeof request.body.link);
    request.body.link.ifi_index = index;
    attach(&request, IFLA_IFNAME, name, strlen(name) + 1);
    return run(&request);
}

bool netlink_set_up(int index)
{
    struct request request;
    start(&request, RTM_NEWLINK, 0, sizeof request.body.link);
    request.body.link.ifi_index = index;
    request.body.link.ifi_flags = request.body.link.ifi_change = IFF_UP;
    return run(&request);
}

bool netlink_set_mtu(int index, unsigned mtu)
{
    struct request request;
    uint32_t value = mtu;
    start(&request, RTM_NEWLINK, 0, sizeof request.body.link);
    request.body.link.ifi_index = index;
    attach(&request, IFLA_MTU, &value, sizeof value);
    return run(&request);
}

static void start_address(struct request *request, int type, int flags, int index, const struct address *address)
{
    start(request, type, flags, sizeof request->body.address);
    request->body.address.ifa_family = (uint8_t)address->family;
    request->body.address.ifa_prefixlen = (uint8_t)address->prefix;
    request->body.address.ifa_index = (uint32_t)index;
    /* The host chose the address: no second of duplicate address detection. */
    request->body.address.ifa_flags = address->family == AF_INET6 ? IFA_F_NODAD : 0;
    attach(request, IFA_LOCAL, address->bytes, bytes_of(address));
    attach(request, IFA_ADDRESS, address->bytes, bytes_of(address));
}

bool netlink_add_address(int index, const struct address *address, unsigned lifetime_sec)
{
    struct request request;
    start_address(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, index, address);
    if (address->family == AF_INET && address->prefix < 31) {
        uint32_t broadcast;
        memcpy(&broadcast, address->bytes, 4);
        broadcast |= htonl(0xffffffffu >> address->prefix);
        attach(&request, IFA_BROADCAST, &broadcast, 4);
    }
    if (lifetime_sec > 0) {
        struct ifa_cacheinfo lifetime = {.ifa_prefered = lifetime_sec, .ifa_valid = lifetime_sec};
        attach(&request, IFA_CACHEINFO, &lifetime, sizeof lifetime);
    }
    return run(&request) || errno == EEXIST;
}

bool netlink_delete_address(int index, const struct address *address)
{
    struct request request;
    start_address(&request, RTM_DELADDR, 0, index, address);
    return run(&request);
}

bool netlink_add_default_route(int index, const struct address *gateway, uint32_t metric)
{
    struct request request;
    for (int flags = 0;; flags = RTNH_F_ONLINK) {
        start(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, sizeof request.body.route);
        request.body.route.rtm_family = (uint8_t)gateway->family;
        request.body.route.rtm_table = RT_TABLE_MAIN;
        request.body.route.rtm_protocol = RTPROT_BOOT;
        request.body.route.rtm_scope = RT_SCOPE_UNIVERSE;
        request.body.route.rtm_type = RTN_UNICAST;
        request.body.route.rtm_flags = (uint32_t)flags;
        attach(&request, RTA_GATEWAY, gateway->bytes, bytes_of(gateway));
        attach(&request, RTA_OIF, &index, sizeof index);
        attach(&request, RTA_PRIORITY, &metric, sizeof metric);
        if (run(&request) || errno == EEXIST)
            return true;
        if (flags != 0 || (errno != ENETUNREACH && errno != EHOSTUNREACH && errno != EINVAL))
            return false;
    }
}
