#include "port.h"

#include "clock.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#define GONE_MS 100
#define KNOWN (-1)
#define WRITE_MAX_BYTES 32768

bool port_init(struct port *port, int fd, const struct stream_handler *handler, void *context)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET};
    port->fd = fd;
    port->may_read = port->may_write = fd >= 0;
    port->events = epoll_create1(EPOLL_CLOEXEC);
    if (port->events < 0 || (fd >= 0 && epoll_ctl(port->events, EPOLL_CTL_ADD, fd, &event) < 0))
        return false;
    return mux_init(&port->mux, handler, context);
}

static void check_gone(struct port *port, long long now)
{
    if (port->gone_at <= 0 || now < port->gone_at + GONE_MS)
        return;
    port->gone_at = KNOWN;
    if (port->mux.greetings == port->greetings)
        mux_hang_up(&port->mux);
}

bool port_receive(struct port *port, long long now)
{
    uint8_t bytes[MUX_MAX_INPUT];
    check_gone(port, now);
    if (!port->may_read || !mux_can_take_input(&port->mux))
        return false;
    ssize_t n = read(port->fd, bytes, sizeof bytes);
    if (n > 0) {
        mux_input(&port->mux, bytes, (size_t)n);
        return true;
    }
    port->may_read = n < 0 && errno == EINTR;
    return false;
}

bool port_send(struct port *port)
{
    struct buffer *out = &port->mux.out;
    mux_pump(&port->mux);
    size_t length = buffer_used(out);
    if (!port->may_write || length == 0)
        return false;
    ssize_t n = write(port->fd, buffer_head(out), length < WRITE_MAX_BYTES ? length : WRITE_MAX_BYTES);
    if (n > 0) {
        buffer_drop(out, (size_t)n);
        return true;
    }
    port->may_write = n < 0 && errno == EINTR;
    return false;
}

void port_take_events(struct port *port)
{
    struct epoll_event event;
    if (epoll_wait(port->events, &event, 1, 0) != 1)
        return;
    port->may_read = port->may_write = true;
    if (!(event.events & EPOLLHUP)) {
        port->gone_at = 0;
    } else if (port->gone_at == 0) {
        port->gone_at = clock_ms();
        port->greetings = port->mux.greetings;
    }
}

bool port_is_stuck(const struct port *port)
{
    return port->fd >= 0 && !port->may_write && buffer_used(&port->mux.out) > 0;
}

void port_retry(struct port *port)
{
    port->may_read = port->may_write = port->fd >= 0;
}

long long port_next(const struct port *port)
{
    return port->gone_at > 0 ? port->gone_at + GONE_MS : 0;
}
