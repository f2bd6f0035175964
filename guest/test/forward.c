#include "control.h"

#include "check.h"
#include "mux.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct mux mux;
static struct control control;

static const char *opened(void *context, struct stream *stream, uint32_t port)
{
    (void)context, (void)port;
    return control_opened(&control, stream);
}

static void dropped(void *context, struct stream *stream)
{
    (void)context;
    control_dropped(&control, stream);
}

static const struct stream_handler handler = {opened, dropped};

static void frame(int kind, const void *payload, size_t length)
{
    uint8_t bytes[8 + MUX_MAX_PAYLOAD] = {(uint8_t)kind, 0, (uint8_t)(length >> 8), (uint8_t)length, 0, 0, 0, kind != 1};
    if (length > 0)
        memcpy(bytes + 8, payload, length);
    mux_input(&mux, bytes, 8 + length);
}

/* A frame of the control port, in one of the channel's. */
static void say(int type, const char *text)
{
    uint8_t bytes[512] = {(uint8_t)type, 0, 0, (uint8_t)(strlen(text) >> 8), (uint8_t)strlen(text)};
    memcpy(bytes + 5, text, strlen(text));
    frame(4, bytes, 5 + strlen(text));
}

/* A server on a free port of a loopback address; deaf without a backlog. */
static int serve(int family, int backlog, uint16_t *port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr *address = family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
    socklen_t length = family == AF_INET ? sizeof v4 : sizeof v6;
    int listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, address, length) < 0) {
        CHECK(family == AF_INET6); /* a machine without IPv6 */
        close(listener);
        return -1;
    }
    CHECK(getsockname(listener, address, &length) == 0);
    if (backlog > 0)
        CHECK(listen(listener, backlog) == 0);
    *port = ntohs(family == AF_INET ? v4.sin_port : v6.sin6_port);
    return listener;
}

static void ask(const char *port)
{
    char request[128];
    buffer_free(&mux.out);
    CHECK(mux_init(&mux, &handler, NULL));
    frame(1, "0123456789abcdef", 16);
    buffer_clear(&mux.out);
    frame(3, "\0\0\4\0", 4);
    snprintf(request, sizeof request, "{\"version\":1,\"op\":\"forward\",\"forward\":{\"port\":%s}}", port);
    say(1, request);
}

static void ask_number(uint16_t port)
{
    char text[16];
    snprintf(text, sizeof text, "%d", port);
    ask(text);
}

static void turn(int rounds)
{
    struct pollfd polls[CONTROL_MAX_POLLS];
    for (; rounds > 0; rounds--) {
        control_pump(&control, 0);
        mux_pump(&mux);
        poll(polls, control_polls(&control, polls), 1);
    }
}

/* What the guest said since, of the control port, without the channel's frames. */
static size_t heard(char *at, size_t capacity)
{
    size_t length = 0;
    while (buffer_used(&mux.out) > 0) {
        const uint8_t *head = buffer_head(&mux.out);
        size_t n = (size_t)head[2] << 8 | head[3];
        CHECK(length + n < capacity);
        if (head[0] == 4) {
            memcpy(at + length, head + 8, n);
            length += n;
        }
        buffer_drop(&mux.out, 8 + n);
    }
    at[length] = 0;
    return length;
}

static bool is_heard(const char *bytes, size_t expected)
{
    char text[4096];
    size_t length = heard(text, sizeof text);
    return length == expected && memcmp(text, bytes, expected) == 0;
}

static void carries_both_ways_and_closes_by_halves(int family)
{
    char text[16];
    uint16_t port;
    int listener = serve(family, 1, &port);
    if (listener < 0)
        return;
    ask_number(port);
    say(2, "early"); /* before the connection stands */
    turn(5);
    int server = accept(listener, NULL, NULL);
    CHECK(server >= 0 && is_heard("\12\0\0\0\0", 5));
    CHECK(read(server, text, sizeof text) == 5 && memcmp(text, "early", 5) == 0);
    say(3, "");
    turn(5);
    CHECK(read(server, text, sizeof text) == 0);
    CHECK(write(server, "late", 4) == 4); /* the other half still stands */
    close(server);
    turn(10);
    CHECK(is_heard("\4\0\0\0\4late\6\0\0\0\12{\"code\":0}", 24));
    frame(5, NULL, 0);
    turn(1);
    CHECK(!mux.streams[0].is_open && !control.sessions[0].in_use);

    /* and the server first */
    ask_number(port);
    turn(5);
    server = accept(listener, NULL, NULL);
    CHECK(shutdown(server, SHUT_WR) == 0);
    turn(5);
    CHECK(is_heard("\12\0\0\0\0\6\0\0\0\12{\"code\":0}", 20));
    say(2, "more");
    say(3, "");
    turn(5);
    CHECK(read(server, text, sizeof text) == 4 && read(server, text, sizeof text) == 0);
    frame(5, NULL, 0);
    turn(1);
    CHECK(!mux.streams[0].is_open && !control.sessions[0].in_use);
    close(server);
    close(listener);
}

static void says_why_it_cannot(void)
{
    char text[4096];
    uint16_t port;
    int deaf = serve(AF_INET, 0, &port);
    ask_number(port);
    turn(5);
    heard(text, sizeof text);
    CHECK(text[0] == 7 && strstr(text + 5, "Connection refused") != NULL && !control.sessions[0].in_use);
    close(deaf);

    const char *const ports[] = {"0", "65536", "-1", "\"80\"", "null"};
    for (size_t i = 0; i < sizeof ports / sizeof *ports; i++) {
        ask(ports[i]);
        turn(2);
        heard(text, sizeof text);
        CHECK(text[0] == 7 && strstr(text + 5, "forward: port: must be 1 to 65535") != NULL);
        CHECK(!control.sessions[0].in_use);
    }

    struct linger at_once = {.l_onoff = 1};
    int listener = serve(AF_INET, 1, &port);
    ask_number(port);
    turn(5);
    int server = accept(listener, NULL, NULL);
    CHECK(setsockopt(server, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
    close(server); /* a reset, not an end */
    turn(5);
    CHECK(heard(text, sizeof text) > 10 && text[0] == 10 && text[5] == 7 && strstr(text + 10, "reset by peer") != NULL);
    CHECK(!control.sessions[0].in_use);
    close(listener);
}

static void a_host_that_goes_takes_the_connection_along(void)
{
    char byte;
    uint16_t port;
    int listener = serve(AF_INET, 1, &port);
    ask_number(port);
    turn(5);
    int server = accept(listener, NULL, NULL);
    frame(7, NULL, 0);
    CHECK(read(server, &byte, 1) == 0 && !control.sessions[0].in_use);
    close(server);
    close(listener);
}

void test_forward(void)
{
    CHECK(control_init(&control, NULL, NULL));
    carries_both_ways_and_closes_by_halves(AF_INET);
    carries_both_ways_and_closes_by_halves(AF_INET6);
    says_why_it_cannot();
    a_host_that_goes_takes_the_connection_along();
    buffer_free(&mux.out);
    buffer_free(&control.console_out);
    close(control.console);
}
