/* By Unix sockets: what vsock.c relies on is the same there. The real thing: test/integration/providers. */
#include "vsock.h"

#include "check.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define NAME "\0flintlock-test-vsock"

static struct vsock vsock;
static int listener = -1;
static struct stream *last;
static int opened_count, dropped_count;
static const char *refusal;
static long long now;

static const char *opened(void *context, struct stream *stream, uint32_t port)
{
    CHECK(context == &vsock && port == 1024 && stream->port == 1024);
    last = stream;
    opened_count += refusal == NULL;
    return refusal;
}

static void dropped(void *context, struct stream *stream)
{
    (void)context;
    CHECK(!stream->is_finished);
    dropped_count++;
}

static const struct stream_handler handler = {opened, dropped};

static void address(struct sockaddr_un *name, socklen_t *length)
{
    *name = (struct sockaddr_un){.sun_family = AF_UNIX};
    *length = (socklen_t)(sizeof name->sun_family + sizeof NAME - 1);
    memcpy(name->sun_path, NAME, sizeof NAME - 1);
}

static void stop(void)
{
    for (size_t i = 0; i < STREAM_MAX_COUNT; i++)
        if (vsock.streams[i].is_open) {
            close(vsock.streams[i].fd);
            stream_free(&vsock.streams[i].stream);
        }
    close(vsock.events);
    close(listener);
}

static void start(void)
{
    struct sockaddr_un name;
    socklen_t length;
    if (listener >= 0)
        stop();
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    address(&name, &length);
    CHECK(bind(listener, (struct sockaddr *)&name, length) == 0 && listen(listener, 100) == 0);
    CHECK(vsock_init(&vsock, &handler, &vsock) && vsock_serve(&vsock, listener, 1024));
    opened_count = dropped_count = 0;
    refusal = NULL;
    now = 1000;
}

static int client(void)
{
    struct sockaddr_un name;
    socklen_t length;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    address(&name, &length);
    CHECK(connect(fd, (struct sockaddr *)&name, length) == 0);
    return fd;
}

/* What the agent's loop does. */
static void turn(void)
{
    struct pollfd events = {.fd = vsock.events, .events = POLLIN};
    for (int i = 0; i < 4; i++) {
        poll(&events, 1, 0);
        vsock_take_events(&vsock);
        vsock_receive(&vsock, now);
        vsock_send(&vsock, now);
    }
}

static bool has_ended(int fd)
{
    char byte;
    return read(fd, &byte, 1) == 0;
}

static bool is_quiet(int fd)
{
    char byte;
    return read(fd, &byte, 1) < 0 && errno == EAGAIN;
}

static void carries_and_tells_half_from_whole(void)
{
    char text[16];
    start();
    int fd = client();
    CHECK(write(fd, "hello", 5) == 5);
    turn();
    CHECK(opened_count == 1 && buffer_used(&last->in) == 5 && memcmp(buffer_head(&last->in), "hello", 5) == 0);
    buffer_put(&last->out, "world", 5);
    turn();
    CHECK(read(fd, text, sizeof text) == 5 && memcmp(text, "world", 5) == 0);

    /* the host's half */
    CHECK(shutdown(fd, SHUT_WR) == 0);
    turn();
    CHECK(last->in_eof && dropped_count == 0 && vsock.streams[0].is_open);
    buffer_put(&last->out, "still", 5);
    turn();
    CHECK(read(fd, text, sizeof text) == 5);
    close(fd); /* and the other, while nothing is sent */
    turn();
    CHECK(dropped_count == 1 && !vsock.streams[0].is_open);

    /* all at once, and not read yet */
    fd = client();
    CHECK(write(fd, "late", 4) == 4);
    close(fd);
    turn();
    turn();
    CHECK(opened_count == 2 && dropped_count == 2 && !vsock.streams[0].is_open);
}

static void ends_by_halves(void)
{
    char text[16];
    start();
    int fd = client();
    turn();
    buffer_put(&last->out, "bye", 3);
    stream_finish(last);
    turn();
    CHECK(read(fd, text, sizeof text) == 3 && has_ended(fd));
    CHECK(vsock.streams[0].is_open && vsock_is_busy(&vsock) && !vsock_has_unsent(&vsock));
    CHECK(vsock_next(&vsock) == 0); /* a slow host may take its time */
    CHECK(write(fd, "ignored", 7) == 7);
    turn();
    CHECK(vsock.streams[0].is_open && buffer_used(&vsock.streams[0].stream.in) == 0);
    close(fd);
    turn();
    CHECK(!vsock.streams[0].is_open && dropped_count == 0 && !vsock_is_busy(&vsock));

    /* a host that is not told of our half, as by Firecracker, is waited for only so long */
    fd = client();
    turn();
    stream_end(last);
    turn();
    CHECK(vsock_next(&vsock) == now + 5000);
    now += 4000;
    CHECK(write(fd, "x", 1) == 1);
    turn();
    CHECK(vsock_next(&vsock) == 0); /* it is our turn to read */
    stream_take(last, 1);
    CHECK(vsock_next(&vsock) == now + 5000);
    now += 4999;
    turn();
    CHECK(dropped_count == 0);
    now += 1;
    turn();
    CHECK(dropped_count == 1 && !vsock.streams[0].is_open && vsock_next(&vsock) == 0);
    close(fd);

    /* at once */
    fd = client();
    turn();
    buffer_put(&last->out, "never sent", 10);
    stream_reset(last, "because");
    turn();
    CHECK(has_ended(fd) && !vsock.streams[0].is_open && dropped_count == 1);
    close(fd);
}

static void bounds_what_it_holds(void)
{
    static uint8_t bytes[STREAM_IN_BYTES];
    size_t sent = 0, got = 0;
    ssize_t n;
    start();
    int fd = client();
    while ((n = write(fd, bytes, sizeof bytes)) > 0) {
        sent += (size_t)n;
        turn();
        CHECK(sent < 16 * 1024 * 1024);
    }
    CHECK(buffer_used(&last->in) == STREAM_IN_BYTES);
    while (buffer_used(&last->in) > 0) {
        got += buffer_used(&last->in);
        stream_take(last, buffer_used(&last->in));
        turn();
    }
    CHECK(got == sent);

    /* a host that does not read: what is left stays, and waits for an event */
    for (sent = 0; buffer_room(&last->out) > 0 || !vsock_is_stuck(&vsock); turn()) {
        size_t room = buffer_room(&last->out);
        buffer_put(&last->out, bytes, room);
        sent += room;
        CHECK(sent < 16 * 1024 * 1024);
    }
    CHECK(vsock_has_unsent(&vsock));
    for (got = 0; got < sent; turn())
        while ((n = read(fd, bytes, sizeof bytes)) > 0)
            got += (size_t)n;
    CHECK(got == sent && !vsock_is_stuck(&vsock) && !vsock_has_unsent(&vsock));
    close(fd);
}

static void serves_so_many(void)
{
    int clients[STREAM_MAX_COUNT], one_more;
    start();
    for (size_t i = 0; i < STREAM_MAX_COUNT; i++)
        clients[i] = client();
    turn();
    CHECK(opened_count == STREAM_MAX_COUNT);
    one_more = client();
    turn();
    CHECK(opened_count == STREAM_MAX_COUNT && has_ended(one_more));
    close(one_more);
    /* a finished one makes room, though the host has not closed it */
    stream_finish(&vsock.streams[5].stream);
    turn();
    one_more = client();
    turn();
    CHECK(opened_count == STREAM_MAX_COUNT + 1 && is_quiet(one_more) && has_ended(clients[5]));
    close(one_more);
    for (size_t i = 0; i < STREAM_MAX_COUNT; i++)
        close(clients[i]);
    turn();
    turn();
    turn();
    CHECK(dropped_count == STREAM_MAX_COUNT);
    refusal = "no";
    one_more = client();
    turn();
    CHECK(has_ended(one_more) && dropped_count == STREAM_MAX_COUNT && !vsock.streams[0].is_open);
    close(one_more);
}

/* Clients and owners that do anything in any order; the sanitizer watches. */
static void survives_any_order(void)
{
    static uint8_t bytes[20000];
    int clients[STREAM_MAX_COUNT + 8];
    start();
    memset(clients, -1, sizeof clients);
    srand(3);
    for (int round = 0; round < 20000; round++) {
        int *fd = &clients[rand() % (STREAM_MAX_COUNT + 8)];
        struct vsock_stream *slot = &vsock.streams[rand() % STREAM_MAX_COUNT];
        struct stream *stream = slot->is_open && !slot->stream.is_finished ? &slot->stream : NULL;
        size_t length = (size_t)rand() % sizeof bytes;
        int what = rand() % 16;
        if (*fd < 0) {
            *fd = client();
        } else if (what == 0) {
            close(*fd);
            *fd = -1;
        } else if (what == 1) {
            shutdown(*fd, SHUT_WR);
        } else if (what == 2) {
            shutdown(*fd, SHUT_RD);
        } else if (what < 6) {
            if (send(*fd, bytes, length, MSG_NOSIGNAL) < 0)
                CHECK(errno == EAGAIN || errno == EPIPE || errno == ECONNRESET);
        } else if (what < 8) {
            if (read(*fd, bytes, length) < 0)
                CHECK(errno == EAGAIN || errno == ECONNRESET);
        } else if (stream != NULL && what == 8) {
            stream_finish(stream);
        } else if (stream != NULL && what == 9) {
            stream_reset(stream, "text");
        } else if (stream != NULL && what == 10) {
            stream_end(stream);
        } else if (stream != NULL && what < 13) {
            stream_take(stream, buffer_used(&stream->in));
        } else if (stream != NULL && !stream->out_eof) {
            buffer_put(&stream->out, bytes, length);
        }
        now += rand() % 300;
        if (round % 3 == 0)
            turn();
    }
    for (size_t i = 0; i < STREAM_MAX_COUNT + 8; i++)
        if (clients[i] >= 0)
            close(clients[i]);
    turn();
    /* both halves are closed: what is left to read is for the owner */
    for (size_t i = 0; i < STREAM_MAX_COUNT; i++)
        if (vsock.streams[i].is_open && !vsock.streams[i].stream.is_finished) {
            CHECK(vsock.streams[i].is_shut);
            stream_finish(&vsock.streams[i].stream);
        }
    turn();
    for (size_t i = 0; i < STREAM_MAX_COUNT; i++)
        CHECK(!vsock.streams[i].is_open);
}

void test_vsock(void)
{
    carries_and_tells_half_from_whole();
    ends_by_halves();
    bounds_what_it_holds();
    serves_so_many();
    survives_any_order();
    stop();
}
