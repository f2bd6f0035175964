#include "proxy.h"

#include "check.h"
#include "mux.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SSH_PORT 1025
#define MEGABYTE (1024 * 1024)

static struct mux mux;
static struct proxy proxy;
static uint8_t big[MEGABYTE];

static const char *opened(void *context, struct stream *stream, uint32_t port)
{
    (void)context;
    CHECK(port == SSH_PORT && stream->port == SSH_PORT);
    return proxy_opened(&proxy, stream);
}

static void dropped(void *context, struct stream *stream)
{
    (void)context;
    proxy_dropped(stream);
}

static const struct stream_handler handler = {opened, dropped};

static void frame(int kind, uint8_t id, const void *payload, size_t length)
{
    uint8_t bytes[8 + MUX_MAX_PAYLOAD] = {(uint8_t)kind, 0, (uint8_t)(length >> 8), (uint8_t)length, 0, 0, 0, id};
    if (length > 0)
        memcpy(bytes + 8, payload, length);
    mux_input(&mux, bytes, 8 + length);
}

static int start(int backlog)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(listener, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &length) == 0);
    if (backlog > 0)
        CHECK(listen(listener, backlog) == 0);
    buffer_free(&mux.out);
    CHECK(mux_init(&mux, &handler, NULL));
    proxy_init(&proxy, ntohs(address.sin_port));
    frame(1, 0, "0123456789abcdef", 16);
    buffer_clear(&mux.out);
    return listener;
}

/* What the agent's loop does, up to `rounds` times. */
static void turn(int rounds)
{
    struct pollfd polls[PROXY_MAX_CONNECTIONS];
    for (; rounds > 0; rounds--) {
        proxy_pump(&proxy);
        mux_pump(&mux);
        poll(polls, proxy_polls(&proxy, polls), 1);
    }
}

static bool is_out(const char *bytes, size_t length)
{
    bool is_same = buffer_used(&mux.out) == length && memcmp(buffer_head(&mux.out), bytes, length) == 0;
    buffer_clear(&mux.out);
    return is_same;
}

static int accepted(int listener)
{
    turn(5);
    int server = accept(listener, NULL, NULL);
    CHECK(server >= 0);
    return server;
}

static void carries_both_ways_and_closes_by_halves(void)
{
    char text[16];
    int listener = start(1);
    frame(3, 1, "\0\0\4\1", 4);
    frame(4, 1, "SSH-2.0", 7); /* before the connection stands */
    int server = accepted(listener);
    CHECK(read(server, text, sizeof text) == 7 && memcmp(text, "SSH-2.0", 7) == 0);
    CHECK(write(server, "hello", 5) == 5);
    turn(5);
    CHECK(is_out("\4\0\0\5\0\0\0\1hello", 13));
    frame(5, 1, NULL, 0);
    turn(5);
    CHECK(read(server, text, sizeof text) == 0);
    CHECK(write(server, "bye", 3) == 3); /* the other half still stands */
    close(server);
    turn(10);
    CHECK(is_out("\4\0\0\3\0\0\0\1bye\5\0\0\0\0\0\0\1", 19));
    CHECK(!mux.streams[0].is_open && proxy.connections[0].stream == NULL);

    /* and the server first */
    frame(3, 2, "\0\0\4\1", 4);
    server = accepted(listener);
    CHECK(shutdown(server, SHUT_WR) == 0);
    turn(5);
    CHECK(is_out("\5\0\0\0\0\0\0\2", 8));
    frame(4, 2, "late", 4);
    frame(5, 2, NULL, 0);
    turn(5);
    CHECK(read(server, text, sizeof text) == 4 && read(server, text, sizeof text) == 0);
    CHECK(!mux.streams[0].is_open && proxy.connections[0].stream == NULL);
    close(server);
    close(listener);
}

static void says_why_it_cannot(void)
{
    int closed = start(0);
    frame(3, 1, "\0\0\4\1", 4);
    turn(5);
    CHECK(is_out("\7\0\0\x1a\0\0\0\1no SSH server in the guest", 34));
    CHECK(!mux.streams[0].is_open && proxy.connections[0].stream == NULL);
    close(closed);

    struct linger at_once = {.l_onoff = 1};
    int listener = start(1);
    frame(3, 1, "\0\0\4\1", 4);
    int server = accepted(listener);
    CHECK(setsockopt(server, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
    close(server); /* a reset, not an end */
    turn(5);
    CHECK(is_out("\7\0\0\x18\0\0\0\1the SSH server broke off", 32));
    close(listener);
}

static void keeps_to_the_windows(void)
{
    int listener = start(1);
    frame(3, 1, "\0\0\4\1", 4);
    int server = accepted(listener);
    /* the server does not read: once the kernel's buffers are full, no window is granted any more */
    size_t sent = 0;
    for (int quiet = 0; quiet < 20;) {
        uint32_t allowance = mux.streams[0].allowance;
        size_t n = allowance < MUX_MAX_PAYLOAD ? allowance : MUX_MAX_PAYLOAD;
        if (n > 0)
            frame(4, 1, big, n);
        sent += n;
        quiet = n > 0 ? 0 : quiet + 1;
        CHECK(sent < 64 * MEGABYTE);
        turn(1);
        buffer_clear(&mux.out);
    }
    CHECK(mux.streams[0].allowance == 0 && buffer_used(&mux.streams[0].stream.in) > 0);
    size_t got = 0;
    while (got < sent) {
        ssize_t n = recv(server, big, sizeof big, MSG_DONTWAIT);
        got += n > 0 ? (size_t)n : 0;
        turn(1);
        buffer_clear(&mux.out);
    }
    CHECK(got == sent && mux.streams[0].allowance >= MUX_WINDOW / 2);

    /* the host does not read: 64 KiB, and no more than a buffer is held */
    CHECK(send(server, big, 200000, 0) == 200000);
    size_t out = 0;
    for (int i = 0; i < 50; i++) {
        turn(1);
        while (buffer_used(&mux.out) > 0) {
            size_t n = (size_t)buffer_head(&mux.out)[2] << 8 | buffer_head(&mux.out)[3];
            if (buffer_head(&mux.out)[0] == 4)
                out += n;
            buffer_drop(&mux.out, 8 + n);
        }
    }
    CHECK(out == MUX_WINDOW && buffer_room(&mux.streams[0].stream.out) == 0);

    /* a host that goes takes the connection along */
    frame(7, 1, NULL, 0);
    CHECK(proxy.connections[0].stream == NULL && !mux.streams[0].is_open);
    while (recv(server, big, sizeof big, 0) > 0)
        ;
    close(server);
    close(listener);
}

static void serves_many(void)
{
    int listener = start(PROXY_MAX_CONNECTIONS), servers[PROXY_MAX_CONNECTIONS];
    for (uint8_t id = 1; id <= PROXY_MAX_CONNECTIONS; id++)
        frame(3, id, "\0\0\4\1", 4);
    for (size_t i = 0; i < PROXY_MAX_CONNECTIONS; i++)
        servers[i] = accepted(listener);
    for (size_t i = 0; i < PROXY_MAX_CONNECTIONS; i++)
        CHECK(write(servers[i], "x", 1) == 1);
    turn(5);
    CHECK(buffer_used(&mux.out) == 9 * PROXY_MAX_CONNECTIONS);
    mux_hang_up(&mux);
    for (size_t i = 0; i < PROXY_MAX_CONNECTIONS; i++) {
        char byte;
        CHECK(read(servers[i], &byte, 1) == 0 && proxy.connections[i].stream == NULL);
        close(servers[i]);
    }
    close(listener);
}

void test_proxy(void)
{
    carries_both_ways_and_closes_by_halves();
    says_why_it_cannot();
    keeps_to_the_windows();
    serves_many();
    buffer_free(&mux.out);
}
