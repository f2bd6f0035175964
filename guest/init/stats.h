/* The control port's `stats`: what the guest's kernel counts, as one JSON object (docs/guest-protocol.md, "Stats"). */
#pragma once

#include <stdio.h>

#define STATS_MAX_INTERFACES 32
#define STATS_MAX_ADDRESSES 16

void stats_write(FILE *out);
