/* rtnetlink(7) requests, one at a time, each acknowledged. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct address {
    int family;        /* AF_INET or AF_INET6 */
    uint8_t bytes[16];
    int prefix;        /* bits; all of them when the text has no `/` */
};

bool address_parse(const char *text, struct address *address);
/* Network byte order inside; false with errno. */
bool netlink_set_name(int index, const char *name);
bool netlink_set_up(int index);
bool netlink_set_mtu(int index, unsigned mtu);
/* `lifetime_sec` 0 = for ever. Replaces an equal address. */
bool netlink_add_address(int index, const struct address *address, unsigned lifetime_sec);
bool netlink_delete_address(int index, const struct address *address);
/* Default route, on-link when the gateway is in none of the interface's networks. Of several the lowest metric is used. */
bool netlink_add_default_route(int index, const struct address *gateway, uint32_t metric);
