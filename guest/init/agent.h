/* The loop that serves the host: port, mux, commands, children. */
#pragma once

#include "config.h"
#include "users.h"

struct agent {
    int port;                              /* -1 = no agent, the main process only */
    const struct process_config *process;  /* NULL: init mode, the loop never ends */
    const struct user *user;
};

/* Blocks the signals the loop reads from a descriptor; before the first child is made. */
void agent_block_signals(void);
/* Starts the main process where it does not wait for `attach`, calls `ready`, and returns its exit code. */
int agent_run(const struct agent *agent, void (*ready)(void));
