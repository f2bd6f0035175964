#include "mux.h"

#include <string.h>

enum kind { HELLO = 1, HELLO_ACK, OPEN, DATA, EOF_, WINDOW, RESET };

#define HEADER_BYTES 8
#define NONCE_BYTES 16
/* DATA is put into `out` up to here; the rest of it is for answers to one mux_input */
#define DATA_LIMIT (64 * 1024)
/* 16 KiB of input hold at most 1365 OPENs of 12 bytes, each answered by a RESET of at most 40 */
#define ANSWER_RESERVE (56 * 1024)
/* A host sends 16392 before HELLO; a malformed frame may have eaten a few of them */
#define RESYNC_ZEROS 8192

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
}

static bool send_frame(struct mux *mux, enum kind kind, uint32_t stream, const void *payload, size_t length)
{
    uint8_t *at = buffer_reserve(&mux->out, HEADER_BYTES + length);
    if (at == NULL)
        return false;
    at[0] = (uint8_t)kind;
    at[1] = 0;
    at[2] = (uint8_t)(length >> 8);
    at[3] = (uint8_t)length;
    put32(at + 4, stream);
    if (length > 0)
        memcpy(at + HEADER_BYTES, payload, length);
    mux->out.end += HEADER_BYTES + length;
    return true;
}

static void send_reset(struct mux *mux, uint32_t id, const char *text)
{
    size_t length = strlen(text);
    send_frame(mux, RESET, id, text, length < 32 ? length : 32);
}

static struct mux_stream *find(struct mux *mux, uint32_t id)
{
    for (size_t i = 0; i < STREAM_MAX_COUNT; i++)
        if (mux->streams[i].is_open && mux->streams[i].id == id)
            return &mux->streams[i];
    return NULL;
}

static void release(struct mux_stream *slot)
{
    stream_free(&slot->stream);
    *slot = (struct mux_stream){0};
}

static void drop(struct mux *mux, struct mux_stream *slot)
{
    if (!slot->stream.is_finished)
        mux->handler->dropped(mux->context, &slot->stream);
    release(slot);
}

static void drop_all(struct mux *mux)
{
    for (size_t i = 0; i < STREAM_MAX_COUNT; i++)
        if (mux->streams[i].is_open)
            drop(mux, &mux->streams[i]);
    mux->is_greeted = false;
}

static void lose(struct mux *mux)
{
    drop_all(mux);
    mux->is_lost = true;
    mux->zeros = 0;
}

/* A free slot, taking back that of a stream that only waits for the host's EOF when there is none. */
static struct mux_stream *take_slot(struct mux *mux)
{
    struct mux_stream *finished = NULL;
    for (size_t i = 0; i < STREAM_MAX_COUNT; i++) {
        if (!mux->streams[i].is_open)
            return &mux->streams[i];
        if (mux->streams[i].stream.is_finished && mux->streams[i].eof_sent)
            finished = &mux->streams[i];
    }
    if (finished != NULL) {
        send_reset(mux, finished->id, "finished");
        release(finished);
    }
    return finished;
}

static void open_stream(struct mux *mux, uint32_t id, uint32_t port)
{
    struct mux_stream *slot = take_slot(mux);
    if (slot == NULL) {
        send_reset(mux, id, "too many streams");
        return;
    }
    *slot = (struct mux_stream){.id = id, .is_open = true, .credit = MUX_WINDOW, .allowance = MUX_WINDOW};
    const char *refusal = stream_init(&slot->stream, port) ? mux->handler->opened(mux->context, &slot->stream, port)
                                                           : "out of memory";
    if (refusal != NULL) {
        send_reset(mux, id, refusal);
        release(slot);
    }
}

static void take_data(struct mux *mux, struct mux_stream *slot, const uint8_t *bytes, size_t length)
{
    struct stream *stream = &slot->stream;
    if (length > slot->allowance || stream->in_eof) {
        send_reset(mux, slot->id, stream->in_eof ? "DATA after EOF" : "window exceeded");
        drop(mux, slot);
        return;
    }
    slot->allowance -= (uint32_t)length;
    if (stream->is_finished)
        stream->taken += length;
    else
        buffer_put(&stream->in, bytes, length);
}

static void take_frame(struct mux *mux)
{
    enum kind kind = mux->header[0];
    size_t length = (size_t)mux->header[2] << 8 | mux->header[3];
    uint32_t id = get32(mux->header + 4);
    if (kind == HELLO) {
        drop_all(mux);
        buffer_clear(&mux->out);
        send_frame(mux, HELLO_ACK, 0, mux->payload, length);
        mux->is_greeted = true;
        mux->greetings++;
        return;
    }
    if (!mux->is_greeted)
        return;
    struct mux_stream *slot = find(mux, id);
    switch (kind) {
    case OPEN:
        if (slot != NULL || id == 0)
            lose(mux);
        else
            open_stream(mux, id, get32(mux->payload));
        return;
    case DATA:
        if (slot != NULL)
            take_data(mux, slot, mux->payload, length);
        return;
    case EOF_:
        if (slot != NULL)
            slot->stream.in_eof = true;
        return;
    case WINDOW:
        if (slot != NULL) {
            uint32_t more = get32(mux->payload);
            slot->credit = more > UINT32_MAX - slot->credit ? UINT32_MAX : slot->credit + more;
        }
        return;
    case RESET:
        if (slot != NULL)
            drop(mux, slot);
        return;
    default:
        return;
    }
}

/* Lengths are checked here too: a frame found wrong at its end has swallowed the zeros that lead back. */
static bool header_is_sound(const uint8_t *header)
{
    size_t length = (size_t)header[2] << 8 | header[3];
    if (header[1] != 0)
        return false;
    switch ((enum kind)header[0]) {
    case HELLO:
        return length == NONCE_BYTES && get32(header + 4) == 0;
    case OPEN:
    case WINDOW:
        return length == 4;
    case EOF_:
        return length == 0;
    case DATA:
    case RESET:
        return length <= MUX_MAX_PAYLOAD;
    default:
        return false;
    }
}

void mux_input(struct mux *mux, const uint8_t *bytes, size_t length)
{
    const uint8_t *end = bytes + length;
    while (bytes < end) {
        if (mux->is_lost) {
            bool found = *bytes != 0 && mux->zeros >= RESYNC_ZEROS;
            mux->zeros = *bytes == 0 ? mux->zeros + 1 : 0;
            if (!found) {
                bytes++;
                continue;
            }
            mux->is_lost = false;
        }
        if (mux->header_used == 0 && *bytes == 0) {
            bytes++;
            continue;
        }
        if (mux->header_used < HEADER_BYTES) {
            mux->header[mux->header_used++] = *bytes++;
            if (mux->header_used < HEADER_BYTES)
                continue;
            mux->payload_used = 0;
            if (!header_is_sound(mux->header)) {
                mux->header_used = 0;
                lose(mux);
                continue;
            }
        }
        size_t wanted = ((size_t)mux->header[2] << 8 | mux->header[3]) - mux->payload_used;
        size_t n = wanted < (size_t)(end - bytes) ? wanted : (size_t)(end - bytes);
        memcpy(mux->payload + mux->payload_used, bytes, n);
        mux->payload_used += n;
        bytes += n;
        if (n == wanted) {
            mux->header_used = 0;
            take_frame(mux);
        }
    }
}

bool mux_init(struct mux *mux, const struct stream_handler *handler, void *context)
{
    memset(mux, 0, sizeof *mux);
    mux->handler = handler;
    mux->context = context;
    return buffer_init(&mux->out, DATA_LIMIT + HEADER_BYTES + MUX_MAX_PAYLOAD + ANSWER_RESERVE);
}

bool mux_can_take_input(const struct mux *mux)
{
    return buffer_room(&mux->out) >= ANSWER_RESERVE;
}

/* One DATA, the EOF or the RESET; false when the stream has nothing to send or may not. */
static bool pump_stream(struct mux *mux, struct mux_stream *slot)
{
    struct stream *stream = &slot->stream;
    size_t n = buffer_used(&stream->out);
    if (stream->reset != NULL) {
        send_reset(mux, slot->id, stream->reset);
        release(slot);
        return false;
    }
    if (n > slot->credit)
        n = slot->credit;
    if (n > MUX_MAX_PAYLOAD)
        n = MUX_MAX_PAYLOAD;
    if (n > 0) {
        send_frame(mux, DATA, slot->id, buffer_head(&stream->out), n);
        buffer_drop(&stream->out, n);
        slot->credit -= (uint32_t)n;
        return true;
    }
    if (stream->out_eof && !slot->eof_sent && buffer_used(&stream->out) == 0) {
        send_frame(mux, EOF_, slot->id, NULL, 0);
        slot->eof_sent = true;
    }
    return false;
}

void mux_pump(struct mux *mux)
{
    for (size_t i = 0; i < STREAM_MAX_COUNT && buffer_used(&mux->out) < DATA_LIMIT; i++) {
        struct mux_stream *slot = &mux->streams[i];
        struct stream *stream = &slot->stream;
        /* Half a window at a time: one WINDOW for many reads, and the host never runs dry. */
        if (slot->is_open && !stream->in_eof && stream->taken >= MUX_WINDOW / 2) {
            uint8_t more[4];
            put32(more, (uint32_t)stream->taken);
            send_frame(mux, WINDOW, slot->id, more, sizeof more);
            slot->allowance += (uint32_t)stream->taken;
            stream->taken = 0;
        }
    }
    bool moved = true;
    while (moved) {
        moved = false;
        for (size_t i = 0; i < STREAM_MAX_COUNT && buffer_used(&mux->out) < DATA_LIMIT; i++) {
            struct mux_stream *slot = &mux->streams[mux->next++ % STREAM_MAX_COUNT];
            if (!slot->is_open)
                continue;
            moved |= pump_stream(mux, slot);
            if (slot->eof_sent && slot->stream.in_eof && slot->stream.is_finished)
                release(slot);
        }
    }
}

void mux_hang_up(struct mux *mux)
{
    drop_all(mux);
    buffer_clear(&mux->out);
}

bool mux_is_busy(const struct mux *mux)
{
    if (buffer_used(&mux->out) > 0)
        return true;
    for (size_t i = 0; i < STREAM_MAX_COUNT; i++)
        if (mux->streams[i].is_open && mux->streams[i].stream.is_finished)
            return true;
    return false;
}
