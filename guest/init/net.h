/* The guest's network and the files that describe it. */
#pragma once

#include "config.h"

/* Loopback and the configured interfaces; one without addresses gets them by DHCP. Problems are logged. */
void net_up(const struct config *config, bool for_process);
/* Hostname, and /etc/resolv.conf; for a process also /etc/hostname and /etc/hosts where they are missing. */
void net_write_files(const struct config *config, bool for_process);
/* Writes /etc/resolv.conf where it may: see docs/guest-protocol.md. */
void net_write_resolv(const char *const *nameservers, bool for_process);
