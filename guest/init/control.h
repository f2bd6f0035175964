/*
 * Port 1024: one request per stream (docs/guest-protocol.md, "Control port"), and the main process that `attach`
 * joins. Streams come from a transport; this side reads and writes their buffers and the commands' descriptors.
 *
 * INVARIANTS:
 * - a command whose client is gone is being ended; the main process is not, its output goes to the console;
 * - nothing here blocks: what has no room waits for the next control_pump.
 */
#pragma once

#include "command.h"
#include "config.h"
#include "stream.h"

#include <poll.h>

#define CONTROL_MAX_SESSIONS 96
#define CONTROL_MAX_POLLS (CONTROL_MAX_SESSIONS * 3 + 4)

/* Of a session that is a connection to a port; its descriptors are the command's `in` and `out`. */
struct forward {
    uint16_t port;
    bool is_ipv6;
    bool is_connecting;
    bool is_input_over;
    int error;             /* why the first address could not be reached */
};

struct session {
    bool in_use;
    enum { AWAITS_REQUEST, RUNS_COMMAND, ATTACHED, FORWARDS } state;
    struct stream *stream; /* NULL: the client is gone, the command is being ended */
    struct command command;
    struct forward forward;
    /* the control frame being read */
    uint8_t head[5];
    size_t head_used;
    uint32_t left;
    char *body;
    size_t body_used;
};

struct control {
    struct session sessions[CONTROL_MAX_SESSIONS];
    const struct process_config *process; /* NULL in init mode */
    struct user user;                     /* the main process's */
    struct command main;
    struct session *attached;
    long long ask_again_at;               /* init mode: when to ask for power off again; 0 = not asked */
    int asked;
    bool is_exit_told;                    /* to an attached client */
    int console;
    struct buffer console_out;
    bool *waits[CONTROL_MAX_POLLS];       /* what each of the last control_polls clears; NULL = nothing */
};

bool control_init(struct control *control, const struct process_config *process, const struct user *user);
/* As stream_handler's, for streams of this port. */
const char *control_opened(struct control *control, struct stream *stream);
void control_dropped(struct control *control, struct stream *stream);
/* False with errno. */
bool control_start_main(struct control *control, enum stdio_kind stdio, unsigned short rows, unsigned short cols);
/* TERM for the main process, KILL 5 s later; in init mode asks the image's init to power off. */
void control_power_off(struct control *control);
/* Moves all bytes that can be moved. */
void control_pump(struct control *control, long long now);
/* Next moment control_pump has something to do by itself, 0 = none. */
long long control_next(struct control *control, long long now);
size_t control_polls(struct control *control, struct pollfd *polls);
/* After poll on those of control_polls: the next control_pump tries what is ready, and nothing else. */
void control_polled(struct control *control, const struct pollfd *polls, size_t count);
/* A child ended; called before it is reaped, so that its group is still its own. */
void control_over(struct control *control, int pid, int status);
/* True when the main process has ended and all it wrote is on its way. */
bool control_main_is_over(const struct control *control);
