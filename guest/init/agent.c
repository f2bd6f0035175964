#include "agent.h"

#include "clock.h"
#include "control.h"
#include "log.h"
#include "poweroff.h"
#include "proxy.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONTROL_PORT 1024
#define SSH_PORT 1025
#define SSH_TARGET 22
/* How long a late client of `attach` may take to come for the exit, and the host to take it. */
#define EXIT_DELIVERY_MS 2000
#define LATE_CLIENT_MS 1000
/* How long the host may leave a finished stream open when all its bytes are in the virtqueue. */
#define CLOSE_WAIT_MS 500
#define REST_GRACE_MS 2000
/* A lost wakeup of the port costs this much at most. */
#define RETRY_MS 250
#define GONE_MS 100
#define GONE (-1)
#define WRITE_MAX_BYTES 32768

struct loop {
    struct mux mux;
    struct control control;
    struct proxy proxy;
    int port;
    /*
     * The port's poll() reports readable for as long as the host is away, so it is watched edge-triggered through
     * an epoll of its own, and these say what an edge left behind.
     */
    int edges;
    bool may_read, may_write;
    /*
     * When the port was first seen without a host; 0 = it has one, GONE = the mux knows. The kernel hears of hosts
     * coming and going apart from their bytes, and later: HELLO of the next host may be here already. So a hang-up
     * counts only when it lasts and nobody said HELLO meanwhile (which drops the old host's streams just as well).
     */
    long long gone_at;
    unsigned greetings;
    int signals;
    bool has_children;
};

static void handled_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGCHLD);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
}

void agent_block_signals(void)
{
    sigset_t set;
    handled_signals(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static const char *opened(void *context, struct stream *stream, uint32_t port)
{
    struct loop *loop = context;
    switch (port) {
    case CONTROL_PORT:
        return control_opened(&loop->control, stream);
    case SSH_PORT:
        return proxy_opened(&loop->proxy, stream);
    default:
        return "nobody serves this port";
    }
}

static void dropped(void *context, struct stream *stream)
{
    struct loop *loop = context;
    if (stream->port == CONTROL_PORT)
        control_dropped(&loop->control, stream);
    else
        proxy_dropped(stream);
}

static const struct mux_handler handler = {opened, dropped};

static bool loop_open(struct loop *loop, const struct agent *agent)
{
    sigset_t set;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET};
    handled_signals(&set);
    loop->port = agent->port;
    loop->may_read = loop->may_write = agent->port >= 0;
    loop->has_children = true;
    loop->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    loop->edges = epoll_create1(EPOLL_CLOEXEC);
    if (loop->signals < 0 || loop->edges < 0)
        return false;
    if (agent->port >= 0 && epoll_ctl(loop->edges, EPOLL_CTL_ADD, agent->port, &event) < 0)
        return false;
    proxy_init(&loop->proxy, SSH_TARGET);
    return mux_init(&loop->mux, &handler, loop) &&
           control_init(&loop->control, agent->process, agent->user);
}

static void take_edges(struct loop *loop)
{
    struct epoll_event event;
    if (epoll_wait(loop->edges, &event, 1, 0) != 1)
        return;
    loop->may_read = loop->may_write = true;
    if (!(event.events & EPOLLHUP)) {
        loop->gone_at = 0;
    } else if (loop->gone_at == 0) {
        loop->gone_at = clock_ms();
        loop->greetings = loop->mux.greetings;
    }
}

static void check_gone(struct loop *loop, long long now)
{
    if (loop->gone_at <= 0 || now < loop->gone_at + GONE_MS)
        return;
    loop->gone_at = GONE;
    if (loop->mux.greetings == loop->greetings)
        mux_hang_up(&loop->mux);
}

/* True when bytes came. */
static bool port_read(struct loop *loop)
{
    uint8_t bytes[MUX_MAX_INPUT];
    if (!loop->may_read || !mux_can_take_input(&loop->mux))
        return false;
    ssize_t n = read(loop->port, bytes, sizeof bytes);
    if (n > 0) {
        mux_input(&loop->mux, bytes, (size_t)n);
        return true;
    }
    loop->may_read = n < 0 && errno == EINTR;
    return false;
}

/* True when bytes went. */
static bool port_write(struct loop *loop)
{
    struct buffer *out = &loop->mux.out;
    size_t length = buffer_used(out);
    if (!loop->may_write || length == 0)
        return false;
    ssize_t n = write(loop->port, buffer_head(out), length < WRITE_MAX_BYTES ? length : WRITE_MAX_BYTES);
    if (n > 0) {
        buffer_drop(out, (size_t)n);
        return true;
    }
    loop->may_write = n < 0 && errno == EINTR;
    return false;
}

static void reap(struct loop *loop)
{
    for (;;) {
        siginfo_t info = {0};
        int status;
        /* Look first: while the child is a zombie, nobody else can have its number. */
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0) {
            loop->has_children = errno != ECHILD;
            return;
        }
        loop->has_children = true;
        if (info.si_pid == 0)
            return;
        status = info.si_code == CLD_EXITED ? info.si_status << 8 : info.si_status & 0x7f;
        control_over(&loop->control, info.si_pid, status);
        waitpid(info.si_pid, &status, 0);
    }
}

static void take_signals(struct loop *loop)
{
    struct signalfd_siginfo info;
    while (read(loop->signals, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo != SIGCHLD && loop->control.process != NULL)
            control_power_off(&loop->control);
    }
    reap(loop);
}

static void wait_for_events(struct loop *loop, long long now, long long until)
{
    static struct pollfd polls[CONTROL_MAX_POLLS + PROXY_MAX_CONNECTIONS + 2];
    size_t count = control_polls(&loop->control, polls);
    count += proxy_polls(&loop->proxy, polls + count);
    long long next = control_next(&loop->control, now);
    if (loop->gone_at > 0 && (until == 0 || loop->gone_at + GONE_MS < until))
        until = loop->gone_at + GONE_MS;
    if (until != 0 && (next == 0 || until < next))
        next = until;
    int timeout = next == 0 ? -1 : next > now ? (int)(next - now < 60000 ? next - now : 60000) : 0;
    bool is_stuck = loop->port >= 0 && !loop->may_write && buffer_used(&loop->mux.out) > 0;
    if (is_stuck && (timeout < 0 || timeout > RETRY_MS))
        timeout = RETRY_MS;
    polls[count++] = (struct pollfd){.fd = loop->signals, .events = POLLIN};
    polls[count++] = (struct pollfd){.fd = loop->edges, .events = POLLIN};
    int ready = poll(polls, count, timeout);
    if (ready == 0 && is_stuck)
        loop->may_read = loop->may_write = true;
}

/* One round; waits, at most to `until`, when there is nothing left to move. */
static void turn(struct loop *loop, long long until)
{
    long long now = clock_ms();
    check_gone(loop, now);
    bool moved = port_read(loop);
    control_pump(&loop->control, now);
    proxy_pump(&loop->proxy);
    mux_pump(&loop->mux);
    moved |= port_write(loop);
    if (!moved)
        wait_for_events(loop, now, until);
    take_edges(loop);
    take_signals(loop);
}

static bool is_delivered(struct loop *loop, long long since)
{
    long long now = clock_ms();
    bool is_waited_for = loop->control.process->attach && !loop->control.is_exit_told && loop->control.main.pid > 0;
    if (loop->port < 0 || now >= since + EXIT_DELIVERY_MS)
        return true;
    if (is_waited_for)
        return now >= since + LATE_CLIENT_MS;
    return !mux_is_busy(&loop->mux) || (buffer_used(&loop->mux.out) == 0 && now >= since + CLOSE_WAIT_MS);
}

/* The main process is over: ends the rest, and lets the client have its last bytes and the exit. */
static void wind_down(struct loop *loop)
{
    long long since = clock_ms(), kill_at = since + REST_GRACE_MS;
    kill(-1, SIGTERM);
    kill(-1, SIGCONT);
    reap(loop);
    while (loop->has_children || !control_main_is_over(&loop->control) || !is_delivered(loop, since)) {
        long long now = clock_ms();
        if (now >= kill_at) {
            kill(-1, SIGKILL);
            kill_at += REST_GRACE_MS;
        }
        if (now >= since + 2 * REST_GRACE_MS)
            return;
        turn(loop, now + 50);
    }
}

int agent_run(const struct agent *agent, void (*ready)(void))
{
    static struct loop loop;
    const struct process_config *process = agent->process;
    if (!loop_open(&loop, agent)) {
        if (process == NULL)
            _exit(1);
        die("agent", "%s", strerror(errno));
    }
    /* Without an agent nobody can attach: better a process without a client than none. */
    if (process != NULL && (!process->attach || agent->port < 0) &&
        !control_start_main(&loop.control, STDIO_CONSOLE, 0, 0))
        die("process", "cannot start: %s", strerror(errno));
    ready();
    while (!loop.control.main.is_over)
        turn(&loop, 0);
    wind_down(&loop);
    return loop.control.main.code;
}
