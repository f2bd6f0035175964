#include "mux.h"

#include "check.h"

#include <string.h>

static struct mux mux;
static struct stream *opened_stream;
static int opened_count, dropped_count;
static const char *refusal;

static const char *opened(void *context, struct stream *stream, uint32_t port)
{
    (void)context;
    CHECK(port == 1024);
    if (refusal == NULL) {
        opened_stream = stream;
        opened_count++;
    }
    return refusal;
}

static void dropped(void *context, struct stream *stream)
{
    (void)context;
    (void)stream;
    dropped_count++;
}

static const struct stream_handler handler = {opened, dropped};

static void start(void)
{
    buffer_free(&mux.out);
    for (size_t i = 0; i < STREAM_MAX_COUNT; i++) {
        buffer_free(&mux.streams[i].stream.in);
        buffer_free(&mux.streams[i].stream.out);
    }
    CHECK(mux_init(&mux, &handler, NULL));
    opened_count = dropped_count = 0;
    refusal = NULL;
}

static void frame(int kind, uint32_t id, const void *payload, size_t length)
{
    uint8_t bytes[8 + MUX_MAX_PAYLOAD] = {(uint8_t)kind, 0, (uint8_t)(length >> 8), (uint8_t)length, 0, 0,
                                          (uint8_t)(id >> 8), (uint8_t)id};
    if (length > 0)
        memcpy(bytes + 8, payload, length);
    mux_input(&mux, bytes, 8 + length);
}

static void zeros(size_t count)
{
    static const uint8_t none[MUX_MAX_INPUT];
    for (size_t n; count > 0; count -= n) {
        n = count < sizeof none ? count : sizeof none;
        mux_input(&mux, none, n);
    }
}

static void hello(void)
{
    zeros(16392);
    frame(1, 0, "0123456789abcdef", 16);
    CHECK(buffer_used(&mux.out) == 24 && memcmp(buffer_head(&mux.out), "\2\0\0\20\0\0\0\0" "0123456789abcdef", 24) == 0);
    buffer_clear(&mux.out);
}

static void open_one(uint32_t id)
{
    frame(3, id, "\0\0\4\0", 4);
}

static void hears_nothing_before_hello(void)
{
    start();
    open_one(1);
    CHECK(opened_count == 0 && buffer_used(&mux.out) == 0);
    hello();
    open_one(1);
    CHECK(opened_count == 1);
}

static void hello_drops_what_was(void)
{
    start();
    hello();
    open_one(1);
    buffer_put(&opened_stream->out, "abc", 3);
    mux_pump(&mux);
    CHECK(buffer_used(&mux.out) == 11);
    hello();
    CHECK(dropped_count == 1);
    open_one(1);
    CHECK(opened_count == 2);
}

static void takes_single_bytes(void)
{
    start();
    hello();
    open_one(1);
    uint8_t data[] = {0, 4, 0, 0, 3, 0, 0, 0, 1, 'x', 'y', 'z', 0, 0, 5, 0, 0, 0, 0, 0, 0, 1};
    for (size_t i = 0; i < sizeof data; i++)
        mux_input(&mux, data + i, 1);
    CHECK(buffer_used(&opened_stream->in) == 3 && memcmp(buffer_head(&opened_stream->in), "xyz", 3) == 0);
    CHECK(opened_stream->in_eof);
}

static void keeps_the_windows(void)
{
    static uint8_t bytes[MUX_MAX_PAYLOAD];
    start();
    hello();
    open_one(1);
    for (int i = 0; i < 4; i++)
        frame(4, 1, bytes, sizeof bytes);
    CHECK(buffer_used(&opened_stream->in) == MUX_WINDOW && dropped_count == 0);
    stream_take(opened_stream, MUX_WINDOW / 2 - 1);
    mux_pump(&mux);
    CHECK(buffer_used(&mux.out) == 0);
    stream_take(opened_stream, 1);
    mux_pump(&mux);
    CHECK(buffer_used(&mux.out) == 12 && memcmp(buffer_head(&mux.out), "\6\0\0\4\0\0\0\1\0\0\x80\0", 12) == 0);
    buffer_clear(&mux.out);
    frame(4, 1, bytes, sizeof bytes);
    frame(4, 1, bytes, sizeof bytes);
    CHECK(dropped_count == 0);
    frame(4, 1, bytes, 1);
    CHECK(dropped_count == 1 && buffer_head(&mux.out)[0] == 7);

    /* and ours: 65536 bytes, then silence until the host grants more */
    start();
    hello();
    open_one(2);
    size_t sent = 0;
    for (int i = 0; i < 20; i++) {
        buffer_put(&opened_stream->out, bytes, 10000);
        mux_pump(&mux);
        while (buffer_used(&mux.out) > 0) {
            size_t n = (size_t)buffer_head(&mux.out)[2] << 8 | buffer_head(&mux.out)[3];
            CHECK(buffer_head(&mux.out)[0] == 4);
            sent += n;
            buffer_drop(&mux.out, 8 + n);
        }
    }
    CHECK(sent == MUX_WINDOW);
    frame(6, 2, "\0\0\0\5", 4);
    mux_pump(&mux);
    CHECK(buffer_used(&mux.out) == 13);
}

static void ends_streams(void)
{
    start();
    hello();
    open_one(1);
    frame(5, 1, NULL, 0);
    buffer_put(&opened_stream->out, "bye", 3);
    stream_finish(opened_stream);
    mux_pump(&mux);
    CHECK(buffer_used(&mux.out) == 11 + 8 && !mux.streams[0].is_open);
    open_one(3);
    frame(7, 3, "gone", 4);
    CHECK(dropped_count == 1);
    frame(4, 3, "late", 4); /* crossed with the reset: ignored */
    refusal = "nobody";
    buffer_clear(&mux.out);
    open_one(4);
    CHECK(memcmp(buffer_head(&mux.out), "\7\0\0\6\0\0\0\4nobody", 14) == 0);
}

static void refuses_too_many(void)
{
    start();
    hello();
    for (uint32_t id = 1; id <= STREAM_MAX_COUNT; id++)
        open_one(id);
    CHECK(opened_count == STREAM_MAX_COUNT);
    open_one(1000);
    CHECK(opened_count == STREAM_MAX_COUNT && buffer_head(&mux.out)[0] == 7);
    /* a finished one makes room, though the host has not closed it */
    buffer_clear(&mux.out);
    stream_finish(&mux.streams[5].stream);
    mux_pump(&mux);
    open_one(1001);
    CHECK(opened_count == STREAM_MAX_COUNT + 1);
}

static void recovers_from_nonsense(void)
{
    start();
    hello();
    open_one(1);
    mux_input(&mux, (const uint8_t *)"\xff\xff\xff\xff\xff\xff\xff\xff", 8);
    CHECK(dropped_count == 1);
    open_one(2);
    frame(1, 0, "0123456789abcdef", 16); /* without the zeros it may be inside of anything */
    CHECK(opened_count == 1 && buffer_used(&mux.out) == 0);
    hello();
    open_one(2);
    CHECK(opened_count == 2);
    frame(3, 2, "\0\0\4\0", 4); /* an id twice */
    CHECK(dropped_count == 2);
    hello();
    frame(4, 0x7777, "to nobody", 9);
    mux_hang_up(&mux);
    open_one(9);
    CHECK(opened_count == 2);
    /* cut in the middle of a frame, as by a host that died */
    hello();
    mux_input(&mux, (const uint8_t *)"\4\0\x40\0\0\0\0\1abc", 11);
    hello();
}

static void survives_noise(void)
{
    static uint8_t bytes[MUX_MAX_INPUT];
    start();
    srand(2);
    for (int round = 0; round < 3000; round++) {
        if (round % 3 == 0) {
            mux_hang_up(&mux);
            hello();
        }
        size_t length = (size_t)rand() % sizeof bytes;
        for (size_t i = 0; i < length; i++)
            bytes[i] = (uint8_t)(rand() % 100 < 70 ? rand() % 8 : rand());
        if (!mux_can_take_input(&mux))
            buffer_clear(&mux.out);
        refusal = "no";
        mux_input(&mux, bytes, length);
        refusal = NULL;
        mux_pump(&mux);
        buffer_clear(&mux.out);
    }
}

void test_mux(void)
{
    hears_nothing_before_hello();
    hello_drops_what_was();
    takes_single_bytes();
    keeps_the_windows();
    ends_streams();
    refuses_too_many();
    recovers_from_nonsense();
    survives_noise();
    start();
    buffer_free(&mux.out);
}
