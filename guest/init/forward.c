#include "forward.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void refuse(struct control *control, struct session *session, int error)
{
    char problem[128];
    snprintf(problem, sizeof problem, "forward: port %d: %s", session->forward.port, strerror(error));
    command_close(&session->command);
    session_refuse(control, session, problem, 1);
}

static int connect_to(int fd, uint16_t port, bool is_ipv6)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    return is_ipv6 ? connect(fd, (struct sockaddr *)&v6, sizeof v6) : connect(fd, (struct sockaddr *)&v4, sizeof v4);
}

/* 0, or errno */
static int dial(struct session *session)
{
    struct forward *forward = &session->forward;
    struct command *ends = &session->command;
    command_close(ends);
    ends->in = socket(forward->is_ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ends->out = ends->in < 0 ? -1 : fcntl(ends->in, F_DUPFD_CLOEXEC, 3);
    if (ends->out < 0)
        return errno;
    forward->is_connecting = true;
    return connect_to(ends->in, forward->port, forward->is_ipv6) == 0 || errno == EINPROGRESS ? 0 : errno;
}

/* The answer is the first address's: that the guest has no IPv6 would tell nobody anything. */
static void dial_on(struct control *control, struct session *session, int error)
{
    struct forward *forward = &session->forward;
    if (error != 0 && !forward->is_ipv6) {
        forward->is_ipv6 = true;
        forward->error = error;
        error = dial(session);
    }
    if (error != 0)
        refuse(control, session, forward->error);
}

void forward_start(struct control *control, struct session *session, const struct json *request)
{
    long long port = json_integer(request, "port", 0);
    if (port < 1 || port > 65535) {
        session_refuse(control, session, "forward: port: must be 1 to 65535", 1);
        return;
    }
    session->state = FORWARDS;
    session->forward = (struct forward){.port = (uint16_t)port};
    dial_on(control, session, dial(session));
}

/* False when it is not there yet, or the session is gone. */
static bool connected(struct control *control, struct session *session)
{
    struct pollfd ready = {.fd = session->command.in, .events = POLLOUT};
    int error = 0;
    socklen_t length = sizeof error;
    if (!session->forward.is_connecting)
        return true;
    if (poll(&ready, 1, 0) != 1)
        return false;
    if (getsockopt(session->command.in, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
        error = errno;
    if (error != 0) {
        dial_on(control, session, error);
        return false;
    }
    session->forward.is_connecting = false;
    frame_send(session->stream, FRAME_CONNECTED, "");
    return true;
}

/* False when the session is gone. */
static bool pump_output(struct control *control, struct session *session)
{
    struct stream *stream = session->stream;
    int *fd = &session->command.out;
    size_t room;
    while (*fd >= 0 && (room = frame_room(stream)) >= FRAME_MIN_OUTPUT) {
        uint8_t *at = buffer_reserve(&stream->out, FRAME_HEAD_BYTES + room);
        ssize_t n = recv(*fd, at + FRAME_HEAD_BYTES, room, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return true;
        if (n < 0) {
            refuse(control, session, errno);
            return false;
        }
        if (n > 0) {
            frame_end(stream, at, FRAME_STDOUT, (size_t)n);
            continue;
        }
        close(*fd);
        *fd = -1;
        frame_send_exit(stream, 0);
    }
    return true;
}

void forward_pump(struct control *control, struct session *session)
{
    if (!connected(control, session) || !session_pump_input(control, session) || !pump_output(control, session))
        return;
    if (session->command.out < 0 && session->forward.is_input_over) {
        command_close(&session->command);
        session_finish(control, session);
    }
}

size_t forward_polls(const struct session *session, struct pollfd *polls)
{
    const struct command *ends = &session->command;
    size_t count = 0;
    bool has_input = buffer_used(&session->stream->in) > 0;
    if (ends->in >= 0 && (session->forward.is_connecting || has_input))
        polls[count++] = (struct pollfd){.fd = ends->in, .events = POLLOUT};
    if (ends->out >= 0 && !session->forward.is_connecting && frame_room(session->stream) >= FRAME_MIN_OUTPUT)
        polls[count++] = (struct pollfd){.fd = ends->out, .events = POLLIN};
    return count;
}
