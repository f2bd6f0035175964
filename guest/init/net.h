/* The guest's network and the files that describe it. */
#pragma once

#include "config.h"

/* Gives the configured interfaces their names and MTUs, for whoever sets them up. Problems are logged. */
void net_name(const struct config *config);
/* Tells the image's cloud-init to leave the network alone. */
void net_keep_from_cloud_init(void);
/* Loopback and the configured interfaces; one without addresses gets them by DHCP. Problems are logged. */
void net_up(const struct config *config, bool for_process);
/* Hostname, and /etc/resolv.conf; for a process also /etc/hostname and /etc/hosts where they are missing. */
void net_write_files(const struct config *config, bool for_process);
/* Writes /etc/resolv.conf where it may: see docs/guest-protocol.md. */
void net_write_resolv(const char *const *nameservers, bool for_process);
