/*
 * One stream between the host and what serves its port: two buffers and how each side ended. The transport (mux.c,
 * vsock.c) fills `in` and empties `out`; the owner (control.c, proxy.c) does the opposite, and neither knows the other.
 */
#pragma once

#include "buffer.h"

/* At once, on a transport */
#define STREAM_MAX_COUNT 64
/* What a stream holds of the host's, unread */
#define STREAM_IN_BYTES 65536
/* The longest control frame header, exit and error text that may follow a full buffer */
#define STREAM_OUT_BYTES (32 * 1024 + 2048)
/* What travels best in one piece */
#define STREAM_PIECE_BYTES 16384

struct stream {
    uint32_t port;
    struct buffer in;    /* from the host, unread */
    struct buffer out;   /* to the host, not yet on its way */
    size_t taken;        /* read by the owner; for the transport, which resets it */
    bool in_eof;         /* the host sends no more */
    bool out_eof;        /* the owner is done; the host is told behind the last byte */
    bool is_finished;    /* by its owner, who has forgotten it */
    const char *reset;   /* finished at once with this reason, and the host not told yet */
    void *owner;
};

struct stream_handler {
    /* NULL to accept, else why not */
    const char *(*opened)(void *context, struct stream *stream, uint32_t port);
    /* The host ended it; the stream is gone when this returns. Not called for finished streams. */
    void (*dropped)(void *context, struct stream *stream);
};

/* For transports. False = no memory. */
bool stream_init(struct stream *stream, uint32_t port);
void stream_free(struct stream *stream);

/* The owner read `length` bytes of `in`. */
void stream_take(struct stream *stream, size_t length);
/* No more from us; what the host sends is still taken. */
void stream_end(struct stream *stream);
/* Ends it at once; `text` is constant, at most 32 bytes of it are sent. The owner must forget the stream. */
void stream_reset(struct stream *stream, const char *text);
/* No more from us; what `in` holds and will hold is thrown away. The owner must forget the stream. */
void stream_finish(struct stream *stream);
