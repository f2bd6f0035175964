/* Finding devices by what the host calls them. */
#pragma once

#include <limits.h>
#include <stdbool.h>

/* Opens the virtio-serial ports, non-blocking; -1 = there is no such port. NULL: it is not wanted. */
void devices_open_ports(int *status, int *agent);
/*
 * Waits at most 10 s for the block device `name` (`/dev/…`, LABEL=, UUID=, PARTUUID=) and puts its path into
 * `path`. LABEL= and UUID= are those of ext2/3/4.
 */
bool devices_find_block(const char *name, char path[PATH_MAX]);
