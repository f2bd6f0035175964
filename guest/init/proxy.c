#include "proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* At most 32 bytes each: they travel in a RESET. */
static const char refused[] = "no SSH server in the guest";
static const char unreachable[] = "127.0.0.1 cannot be reached";
static const char broken_off[] = "the SSH server broke off";

void proxy_init(struct proxy *proxy, uint16_t target)
{
    *proxy = (struct proxy){.target = target};
}

static void release(struct connection *connection)
{
    close(connection->fd);
    *connection = (struct connection){0};
}

static const char *reason(int error)
{
    return error == ECONNREFUSED ? refused : unreachable;
}

const char *proxy_opened(struct proxy *proxy, struct stream *stream)
{
    struct sockaddr_in server = {
        .sin_family = AF_INET, .sin_port = htons(proxy->target), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct connection *connection = proxy->connections;
    while (connection->stream != NULL)
        if (++connection == proxy->connections + PROXY_MAX_CONNECTIONS)
            return "too many connections";
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return "no socket";
    bool is_connected = connect(fd, (struct sockaddr *)&server, sizeof server) == 0;
    if (!is_connected && errno != EINPROGRESS) {
        const char *why = reason(errno);
        close(fd);
        return why;
    }
    *connection = (struct connection){.stream = stream, .fd = fd, .is_connecting = !is_connected};
    stream->owner = connection;
    return NULL;
}

void proxy_dropped(struct stream *stream)
{
    struct connection *connection = stream->owner;
    if (connection != NULL)
        release(connection);
}

static void fail(struct connection *connection, const char *why)
{
    stream_reset(connection->stream, why);
    release(connection);
}

/* False when it is not there yet, or will never be. */
static bool connected(struct connection *connection)
{
    struct pollfd ready = {.fd = connection->fd, .events = POLLOUT};
    int error = 0;
    socklen_t length = sizeof error;
    if (!connection->is_connecting)
        return true;
    if (poll(&ready, 1, 0) != 1)
        return false;
    if (getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0 || error != 0) {
        fail(connection, reason(error));
        return false;
    }
    connection->is_connecting = false;
    return true;
}

static void pump_input(struct connection *connection)
{
    struct stream *stream = connection->stream;
    while (buffer_used(&stream->in) > 0) {
        size_t length = buffer_used(&stream->in);
        if (!connection->is_input_over) {
            ssize_t n = send(connection->fd, buffer_head(&stream->in), length, MSG_NOSIGNAL);
            if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
            if (n < 0)
                connection->is_input_over = true; /* what it said before may still be unread */
            else
                length = (size_t)n;
        }
        stream_take(stream, length);
    }
    if (stream->in_eof && !connection->is_input_over) {
        shutdown(connection->fd, SHUT_WR);
        connection->is_input_over = true;
    }
}

/* False when the connection broke. */
static bool pump_output(struct connection *connection)
{
    struct stream *stream = connection->stream;
    while (!stream->out_eof && buffer_room(&stream->out) > 0) {
        size_t room = buffer_room(&stream->out);
        ssize_t n = recv(connection->fd, buffer_reserve(&stream->out, room), room, 0);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        if (n == 0)
            stream_end(stream);
        stream->out.end += (size_t)n;
    }
    return true;
}

static void pump(struct connection *connection)
{
    if (!connected(connection))
        return;
    pump_input(connection);
    if (!pump_output(connection)) {
        fail(connection, broken_off);
        return;
    }
    struct stream *stream = connection->stream;
    if (stream->out_eof && stream->in_eof && buffer_used(&stream->in) == 0) {
        stream_finish(stream);
        release(connection);
    }
}

void proxy_pump(struct proxy *proxy)
{
    for (size_t i = 0; i < PROXY_MAX_CONNECTIONS; i++)
        if (proxy->connections[i].stream != NULL)
            pump(&proxy->connections[i]);
}

size_t proxy_polls(const struct proxy *proxy, struct pollfd *polls)
{
    size_t count = 0;
    for (size_t i = 0; i < PROXY_MAX_CONNECTIONS; i++) {
        const struct connection *connection = &proxy->connections[i];
        const struct stream *stream = connection->stream;
        if (stream == NULL)
            continue;
        bool has_input = buffer_used(&stream->in) > 0 && !connection->is_input_over;
        bool has_room = buffer_room(&stream->out) > 0 && !stream->out_eof;
        short events = 0;
        if (connection->is_connecting || has_input)
            events |= POLLOUT;
        if (!connection->is_connecting && has_room)
            events |= POLLIN;
        if (events != 0)
            polls[count++] = (struct pollfd){.fd = connection->fd, .events = events};
    }
    return count;
}
