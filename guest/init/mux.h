/*
 * Many streams over one byte pipe: docs/guest-protocol.md, "Agent channel". Knows neither descriptors nor
 * commands: bytes go in at mux_input, frames come out in `mux.out`, and the handler hears of streams.
 *
 * INVARIANTS:
 * - a stream never holds more unread bytes than the window it granted;
 * - a frame goes to `out` whole or not at all;
 * - nothing but HELLO is heard before the first HELLO, nor after a hang-up or a malformed frame.
 */
#pragma once

#include "stream.h"

#define MUX_MAX_PAYLOAD STREAM_PIECE_BYTES
#define MUX_WINDOW STREAM_IN_BYTES
/* mux_input takes at most this much at once */
#define MUX_MAX_INPUT 16384

struct mux_stream {
    struct stream stream;
    uint32_t id;
    bool is_open;
    uint32_t credit;     /* bytes we may still send */
    uint32_t allowance;  /* bytes the host may still send */
    bool eof_sent;
};

struct mux {
    const struct stream_handler *handler;
    void *context;
    struct mux_stream streams[STREAM_MAX_COUNT];
    struct buffer out;
    bool is_greeted;
    unsigned greetings;  /* HELLOs so far */
    bool is_lost;        /* in the middle of nonsense: wait for a long run of zeros */
    size_t zeros;
    uint8_t header[8];
    size_t header_used;
    uint8_t payload[MUX_MAX_PAYLOAD];
    size_t payload_used;
    size_t next;         /* whose turn it is to send */
};

bool mux_init(struct mux *mux, const struct stream_handler *handler, void *context);
/* False while answers could not be put into `out`: send first. */
bool mux_can_take_input(const struct mux *mux);
void mux_input(struct mux *mux, const uint8_t *bytes, size_t length);
/* Moves what the windows allow into `out`. */
void mux_pump(struct mux *mux);
/* The host closed the pipe. */
void mux_hang_up(struct mux *mux);
/* True when a stream holds something the host has not taken, or has not been closed by the host. */
bool mux_is_busy(const struct mux *mux);
