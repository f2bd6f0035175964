#include "vsock.h"

#include <errno.h>
#include <linux/vm_sockets.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 128
/*
 * Firecracker does not pass on that we have half closed (docs/vsock.md; csm/connection.rs): its client would wait for
 * ever. So a stream that the owner has ended, and on which the host says nothing for so long, is closed.
 */
#define HALF_CLOSED_MS 5000
#define MAX_EVENTS 32
/* Listeners' numbers among the events come behind the streams' */
#define FIRST_LISTENER STREAM_MAX_COUNT

int vsock_listen(uint32_t port)
{
    struct sockaddr_vm address = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = port};
    /* The kernel's own buffer, inherited by connections: 256 KiB for each of 64 is much for a small guest. */
    uint64_t size = STREAM_IN_BYTES;
    int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &size, sizeof size);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

bool vsock_init(struct vsock *vsock, const struct stream_handler *handler, void *context)
{
    *vsock = (struct vsock){.handler = handler, .context = context, .events = epoll_create1(EPOLL_CLOEXEC)};
    return vsock->events >= 0;
}

static bool watch(struct vsock *vsock, int fd, size_t number)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.u64 = number}};
    return epoll_ctl(vsock->events, EPOLL_CTL_ADD, fd, &event) == 0;
}

bool vsock_serve(struct vsock *vsock, int fd, uint32_t port)
{
    if (vsock->listener_count == VSOCK_MAX_LISTENERS || !watch(vsock, fd, FIRST_LISTENER + vsock->listener_count))
        return false;
    vsock->listeners[vsock->listener_count++] = (struct vsock_listener){fd, port};
    vsock->may_accept = true;
    return true;
}

static void release(struct vsock *vsock, struct vsock_stream *slot)
{
    /* A child between fork and exec holds the socket too, and would keep its events coming. */
    epoll_ctl(vsock->events, EPOLL_CTL_DEL, slot->fd, NULL);
    close(slot->fd);
    stream_free(&slot->stream);
    *slot = (struct vsock_stream){0};
}

static void drop(struct vsock *vsock, struct vsock_stream *slot)
{
    if (!slot->stream.is_finished)
        vsock->handler->dropped(vsock->context, &slot->stream);
    release(vsock, slot);
}

/* A free slot, taking back that of a stream that only waits for the host to close when there is none. */
static struct vsock_stream *take_slot(struct vsock *vsock)
{
    struct vsock_stream *finished = NULL;
    for (size_t i = 0; i < STREAM_MAX_COUNT; i++) {
        struct vsock_stream *slot = &vsock->streams[i];
        if (!slot->is_open)
            return slot;
        if (slot->is_shut && slot->stream.is_finished)
            finished = slot;
    }
    if (finished != NULL)
        release(vsock, finished);
    return finished;
}

/* Who is refused learns of it by the end of the connection. */
static void open_stream(struct vsock *vsock, int fd, uint32_t port)
{
    struct vsock_stream *slot = take_slot(vsock);
    if (slot == NULL || !stream_init(&slot->stream, port)) {
        close(fd);
        return;
    }
    slot->is_open = slot->may_read = slot->may_write = true;
    slot->fd = fd;
    if (!watch(vsock, fd, (size_t)(slot - vsock->streams)) ||
        vsock->handler->opened(vsock->context, &slot->stream, port) != NULL)
        release(vsock, slot);
}

static bool is_host(const struct sockaddr_vm *peer)
{
    return peer->svm_family != AF_VSOCK || peer->svm_cid == VMADDR_CID_HOST; /* tests come by other families */
}

static bool accept_all(struct vsock *vsock)
{
    bool came = false;
    for (size_t i = 0; vsock->may_accept && i < vsock->listener_count; i++) {
        for (;;) {
            struct sockaddr_vm peer = {0};
            socklen_t length = sizeof peer;
            int fd = accept4(vsock->listeners[i].fd, (struct sockaddr *)&peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
                continue;
            if (fd < 0)
                break;
            came = true;
            if (is_host(&peer))
                open_stream(vsock, fd, vsock->listeners[i].port);
            else
                close(fd);
        }
    }
    vsock->may_accept = false;
    return came;
}

/*
 * True when the host has gone altogether, and not only ended its half: what nothing can be sent to any more (af_vsock.c
 * checks this before it looks at the length). Bytes from it may still be unread; as after a RESET, nobody wants them.
 */
static bool is_gone(const struct vsock_stream *slot)
{
    return !slot->is_shut && send(slot->fd, "", 0, MSG_NOSIGNAL) < 0 && errno != EAGAIN && errno != EINTR;
}

/* True when bytes came. */
static bool receive(struct vsock *vsock, struct vsock_stream *slot, long long now)
{
    static uint8_t unwanted[STREAM_PIECE_BYTES];
    struct stream *stream = &slot->stream;
    bool came = false;
    while (slot->may_read && !stream->in_eof) {
        size_t room = stream->is_finished ? sizeof unwanted : buffer_room(&stream->in);
        if (room == 0)
            break;
        ssize_t n = recv(slot->fd, stream->is_finished ? unwanted : buffer_reserve(&stream->in, room), room, 0);
        if (n > 0) {
            came = true;
            slot->heard_at = now;
            stream->in.end += stream->is_finished ? 0 : (size_t)n;
        } else if (n == 0) {
            stream->in_eof = came = true;
        } else if (errno != EINTR) {
            slot->may_read = false;
            if (errno != EAGAIN) {
                drop(vsock, slot);
                return true;
            }
        }
    }
    return came;
}

bool vsock_receive(struct vsock *vsock, long long now)
{
    bool came = accept_all(vsock);
    for (size_t i = 0; i < STREAM_MAX_COUNT; i++)
        if (vsock->streams[i].is_open)
            came |= receive(vsock, &vsock->streams[i], now);
    return came;
}

/* True when bytes went. */
static bool send_out(struct vsock *vsock, struct vsock_stream *slot, long long now)
{
    struct stream *stream = &slot->stream;
    bool went = false;
    while (slot->may_write && stream->reset == NULL && buffer_used(&stream->out) > 0) {
        ssize_t n = send(slot->fd, buffer_head(&stream->out), buffer_used(&stream->out), MSG_NOSIGNAL);
        if (n > 0) {
            went = true;
            buffer_drop(&stream->out, (size_t)n);
        } else if (errno == EAGAIN) {
            slot->may_write = false;
        } else if (errno != EINTR) {
            drop(vsock, slot);
            return true;
        }
    }
    if (stream->out_eof && !slot->is_shut && buffer_used(&stream->out) == 0) {
        shutdown(slot->fd, SHUT_WR);
        slot->is_shut = true;
        slot->heard_at = now;
    }
    return went;
}

/* True when our half is closed, and only the host can end the other. */
static bool awaits_host(const struct vsock_stream *slot)
{
    const struct stream *stream = &slot->stream;
    return slot->is_shut && !stream->is_finished && !stream->in_eof && buffer_used(&stream->in) == 0;
}

static bool is_over(const struct vsock_stream *slot, long long now)
{
    const struct stream *stream = &slot->stream;
    return stream->reset != NULL || (slot->is_shut && stream->is_finished && stream->in_eof) ||
           (awaits_host(slot) && now >= slot->heard_at + HALF_CLOSED_MS);
}

bool vsock_send(struct vsock *vsock, long long now)
{
    bool went = false;
    for (size_t i = 0; i < STREAM_MAX_COUNT; i++) {
        struct vsock_stream *slot = &vsock->streams[i];
        if (!slot->is_open)
            continue;
        went |= send_out(vsock, slot, now);
        if (slot->is_open && is_over(slot, now))
            drop(vsock, slot);
    }
    return went;
}

void vsock_take_events(struct vsock *vsock)
{
    struct epoll_event events[MAX_EVENTS];
    int count = epoll_wait(vsock->events, events, MAX_EVENTS, 0);
    for (int i = 0; i < count; i++) {
        size_t number = events[i].data.u64;
        struct vsock_stream *slot = &vsock->streams[number < STREAM_MAX_COUNT ? number : 0];
        if (number >= FIRST_LISTENER) {
            vsock->may_accept = true;
        } else if (slot->is_open) {
            slot->may_read = slot->may_write = true;
            if (is_gone(slot))
                drop(vsock, slot);
        }
    }
}

bool vsock_is_stuck(const struct vsock *vsock)
{
    for (size_t i = 0; i < STREAM_MAX_COUNT; i++) {
        const struct vsock_stream *slot = &vsock->streams[i];
        if (slot->is_open && !slot->may_write && buffer_used(&slot->stream.out) > 0)
            return true;
    }
    return false;
}

void vsock_retry(struct vsock *vsock)
{
    vsock->may_accept = vsock->listener_count > 0;
    for (size_t i = 0; i < STREAM_MAX_COUNT; i++)
        vsock->streams[i].may_read = vsock->streams[i].may_write = vsock->streams[i].is_open;
}

long long vsock_next(const struct vsock *vsock)
{
    long long next = 0;
    for (size_t i = 0; i < STREAM_MAX_COUNT; i++) {
        const struct vsock_stream *slot = &vsock->streams[i];
        long long end = slot->heard_at + HALF_CLOSED_MS;
        if (slot->is_open && awaits_host(slot) && (next == 0 || end < next))
            next = end;
    }
    return next;
}

bool vsock_is_busy(const struct vsock *vsock)
{
    for (size_t i = 0; i < STREAM_MAX_COUNT; i++)
        if (vsock->streams[i].is_open && vsock->streams[i].stream.is_finished)
            return true;
    return false;
}

bool vsock_has_unsent(const struct vsock *vsock)
{
    for (size_t i = 0; i < STREAM_MAX_COUNT; i++)
        if (vsock->streams[i].is_open && buffer_used(&vsock->streams[i].stream.out) > 0)
            return true;
    return false;
}
