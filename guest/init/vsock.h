/*
 * AF_VSOCK as a transport: each connection from the host is one stream (docs/guest-protocol.md, "vsock").
 *
 * INVARIANTS:
 * - only the host is served: a process of the guest that comes by the loopback would be root here;
 * - what a stream holds are its two buffers: who does not read stops the other side;
 * - nothing here blocks.
 */
#pragma once

#include "stream.h"

#define VSOCK_MAX_LISTENERS 2

struct vsock_stream {
    struct stream stream;
    bool is_open;
    int fd;
    bool may_read, may_write;
    bool is_shut;        /* the host has been told that no more comes */
    long long heard_at;  /* when the host last said something, or was told that no more comes */
};

struct vsock_listener {
    int fd;
    uint32_t port;
};

struct vsock {
    const struct stream_handler *handler;
    void *context;
    int events;          /* readable when vsock_take_events has something to take */
    struct vsock_listener listeners[VSOCK_MAX_LISTENERS];
    size_t listener_count;
    bool may_accept;
    struct vsock_stream streams[STREAM_MAX_COUNT];
};

/* A socket that listens on `port` for the host; -1 with errno. */
int vsock_listen(uint32_t port);
bool vsock_init(struct vsock *vsock, const struct stream_handler *handler, void *context);
/* Opens a stream for `port` for each connection to `fd`, a listening, non-blocking socket. False with errno. */
bool vsock_serve(struct vsock *vsock, int fd, uint32_t port);
/* True when connections or bytes came. */
bool vsock_receive(struct vsock *vsock, long long now);
/* True when bytes went. */
bool vsock_send(struct vsock *vsock, long long now);
void vsock_take_events(struct vsock *vsock);
/* True when bytes wait for an event that may have been lost: see vsock_retry. */
bool vsock_is_stuck(const struct vsock *vsock);
void vsock_retry(struct vsock *vsock);
/* Next moment vsock_send has something to do by itself, 0 = none. */
long long vsock_next(const struct vsock *vsock);
/* True when a finished stream has not been closed by the host. */
bool vsock_is_busy(const struct vsock *vsock);
/* True when a stream holds bytes that the kernel has not taken. */
bool vsock_has_unsent(const struct vsock *vsock);
