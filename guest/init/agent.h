/* The loop that serves the host: transports, ports, commands, children. */
#pragma once

#include "config.h"
#include "users.h"

/* By what the host comes: a virtio-serial port, or listening vsock sockets. All -1: not at all. */
struct agent_channel {
    int port;
    int control;
    int ssh;
};

struct agent {
    struct agent_channel channel;
    const struct process_config *process;  /* NULL: init mode, the loop never ends */
    const struct user *user;
};

static inline bool agent_is_reachable(const struct agent_channel *channel)
{
    return channel->port >= 0 || channel->control >= 0;
}

/* Opens the vsock sockets. What cannot be is logged, and -1. */
void agent_listen(struct agent_channel *channel);
/* Blocks the signals the loop reads from a descriptor; before the first child is made. */
void agent_block_signals(void);
/* Starts the main process where it does not wait for `attach`, calls `ready`, and returns its exit code. */
int agent_run(const struct agent *agent, void (*ready)(void));
