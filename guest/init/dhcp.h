/* A small DHCPv4 client (RFC 2131), a child process per interface that gets a lease and keeps it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum resolv_use { RESOLV_LEAVE, RESOLV_FOR_INIT, RESOLV_FOR_PROCESS };

/*
 * Starts the client and waits at most 300 ms for its first lease, so that a process finds its network where the
 * server is quick and does not wait where there is none.
 */
void dhcp_start(const char *name, int index, uint32_t metric, enum resolv_use resolv);
