/*
 * Port 1025: each stream is a TCP connection to the guest's own SSH server, its bytes as they are
 * (docs/guest-protocol.md, "SSH port").
 *
 * INVARIANTS:
 * - what a connection holds are its stream's two buffers: who does not read stops the other side;
 * - nothing here blocks: what has no room waits for the next proxy_pump.
 */
#pragma once

#include "stream.h"

#include <poll.h>
#include <stdint.h>

#define PROXY_MAX_CONNECTIONS STREAM_MAX_COUNT

struct connection {
    struct stream *stream; /* NULL = free */
    int fd;
    bool is_connecting;
    bool is_input_over; /* the server has been told that no more comes, or takes no more */
};

struct proxy {
    uint16_t target; /* TCP port on 127.0.0.1 */
    struct connection connections[PROXY_MAX_CONNECTIONS];
};

void proxy_init(struct proxy *proxy, uint16_t target);
/* As stream_handler's, for streams of this port. */
const char *proxy_opened(struct proxy *proxy, struct stream *stream);
void proxy_dropped(struct stream *stream);
/* Moves all bytes that can be moved. */
void proxy_pump(struct proxy *proxy);
size_t proxy_polls(const struct proxy *proxy, struct pollfd *polls);
