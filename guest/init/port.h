/*
 * The virtio-serial port as a transport: the mux, and moving its bytes.
 *
 * The port's poll() reports readable for as long as the host is away, so it is watched edge-triggered through an
 * epoll of its own, and `may_read` and `may_write` say what an edge left behind.
 */
#pragma once

#include "mux.h"

struct port {
    struct mux mux;
    int fd;              /* -1 = there is none */
    int events;          /* readable when port_take_events has something to take */
    bool may_read, may_write;
    /*
     * When the port was first seen without a host; 0 = it has one, -1 = the mux knows. The kernel hears of hosts
     * coming and going apart from their bytes, and later: HELLO of the next host may be here already. So a hang-up
     * counts only when it lasts and nobody said HELLO meanwhile (which drops the old host's streams just as well).
     */
    long long gone_at;
    unsigned greetings;
};

bool port_init(struct port *port, int fd, const struct stream_handler *handler, void *context);
/* True when bytes came. */
bool port_receive(struct port *port, long long now);
/* True when bytes went. */
bool port_send(struct port *port);
void port_take_events(struct port *port);
/* True when bytes wait for an event that may have been lost: see port_retry. */
bool port_is_stuck(const struct port *port);
void port_retry(struct port *port);
/* Next moment port_receive has something to do by itself, 0 = none. */
long long port_next(const struct port *port);
