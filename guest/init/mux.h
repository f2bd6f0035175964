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

#include "buffer.h"

#define MUX_MAX_STREAMS 64
#define MUX_MAX_PAYLOAD 16384
#define MUX_WINDOW 65536
/* mux_input takes at most this much at once */
#define MUX_MAX_INPUT 16384

struct stream {
    uint32_t id;
    uint32_t port;
    bool is_open;
    struct buffer in;    /* from the host, unread */
    struct buffer out;   /* to the host, not yet in a frame */
    uint32_t credit;     /* bytes we may still send */
    uint32_t allowance;  /* bytes the host may still send */
    uint32_t taken;      /* read since the last WINDOW */
    bool in_eof;         /* the host sent EOF */
    bool out_eof;        /* we are done; EOF goes out behind the last byte */
    bool eof_sent;
    bool is_finished;    /* by its owner, who has forgotten it */
    const char *reset;   /* finished by a RESET with this text, not sent yet */
    void *owner;
};

struct mux_handler {
    /* NULL to accept, else why not */
    const char *(*opened)(void *context, struct stream *stream, uint32_t port);
    /* The host ended it; the stream is gone when this returns. Not called for finished streams. */
    void (*dropped)(void *context, struct stream *stream);
};

struct mux {
    const struct mux_handler *handler;
    void *context;
    struct stream streams[MUX_MAX_STREAMS];
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

bool mux_init(struct mux *mux, const struct mux_handler *handler, void *context);
/* False while answers could not be put into `out`: send first. */
bool mux_can_take_input(const struct mux *mux);
void mux_input(struct mux *mux, const uint8_t *bytes, size_t length);
/* Moves what the windows allow into `out`. */
void mux_pump(struct mux *mux);
/* The host closed the pipe. */
void mux_hang_up(struct mux *mux);
/* True when a stream holds something the host has not taken, or has not been closed by the host. */
bool mux_is_busy(const struct mux *mux);

/* The owner read `length` bytes of `in`. */
void stream_take(struct stream *stream, size_t length);
/* No more from us; what the host sends is still taken. */
void stream_end(struct stream *stream);
/* Ends it at once; `text` is constant, at most 32 bytes of it are sent. The owner must forget the stream. */
void stream_reset(struct stream *stream, const char *text);
/* No more from us; what `in` holds and will hold is thrown away. The owner must forget the stream. */
void stream_finish(struct stream *stream);
