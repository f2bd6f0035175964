#include "agent.h"

#include "clock.h"
#include "control.h"
#include "log.h"
#include "port.h"
#include "poweroff.h"
#include "proxy.h"
#include "vsock.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
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
/* A lost wakeup of a transport costs this much at most. */
#define RETRY_MS 250
/* While bytes move, what else is ready is asked for once in so many turns */
#define TURNS_PER_POLL 8
/* The kernel hands out a page of the port's at a time */
#define READS_PER_TURN 4

struct loop {
    struct port port;
    struct vsock vsock;
    struct control control;
    struct proxy proxy;
    bool is_reachable;
    int signals;
    bool has_children;
    unsigned turns;
    unsigned greetings;
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

static const struct stream_handler handler = {opened, dropped};

void agent_listen(struct agent_channel *channel)
{
    channel->control = vsock_listen(CONTROL_PORT);
    channel->ssh = channel->control < 0 ? -1 : vsock_listen(SSH_PORT);
    if (channel->control < 0 || channel->ssh < 0)
        log_line("vsock: %s", strerror(errno));
}

static bool serve_vsock(struct vsock *vsock, const struct agent_channel *channel)
{
    return (channel->control < 0 || vsock_serve(vsock, channel->control, CONTROL_PORT)) &&
           (channel->ssh < 0 || vsock_serve(vsock, channel->ssh, SSH_PORT));
}

static bool loop_open(struct loop *loop, const struct agent *agent)
{
    sigset_t set;
    handled_signals(&set);
    loop->is_reachable = agent_is_reachable(&agent->channel);
    loop->has_children = true;
    loop->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    proxy_init(&loop->proxy, SSH_TARGET);
    return loop->signals >= 0 && port_init(&loop->port, agent->channel.port, &handler, loop) &&
           vsock_init(&loop->vsock, &handler, loop) && serve_vsock(&loop->vsock, &agent->channel) &&
           control_init(&loop->control, agent->process, agent->user);
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

static void sooner(long long *next, long long moment)
{
    if (moment != 0 && (*next == 0 || moment < *next))
        *next = moment;
}

static void wait_for_events(struct loop *loop, long long now, long long until)
{
    static struct pollfd polls[CONTROL_MAX_POLLS + PROXY_MAX_CONNECTIONS + 3];
    size_t commands = control_polls(&loop->control, polls), count = commands;
    count += proxy_polls(&loop->proxy, polls + count);
    long long next = control_next(&loop->control, now);
    sooner(&next, port_next(&loop->port));
    sooner(&next, vsock_next(&loop->vsock));
    sooner(&next, until);
    int timeout = next == 0 ? -1 : next > now ? (int)(next - now < 60000 ? next - now : 60000) : 0;
    bool is_stuck = port_is_stuck(&loop->port) || vsock_is_stuck(&loop->vsock);
    if (is_stuck && (timeout < 0 || timeout > RETRY_MS))
        timeout = RETRY_MS;
    polls[count++] = (struct pollfd){.fd = loop->signals, .events = POLLIN};
    polls[count++] = (struct pollfd){.fd = loop->port.events, .events = POLLIN};
    polls[count++] = (struct pollfd){.fd = loop->vsock.events, .events = POLLIN};
    int ready = poll(polls, count, timeout);
    control_polled(&loop->control, polls, commands);
    if (ready == 0 && is_stuck) {
        port_retry(&loop->port);
        vsock_retry(&loop->vsock);
    }
}

/* One round; waits, at most to `until`, when there is nothing left to move. */
static void turn(struct loop *loop, long long until)
{
    long long now = clock_ms();
    bool moved = false;
    for (int i = 0; i < READS_PER_TURN && port_receive(&loop->port, now); i++)
        moved = true;
    if (loop->greetings != loop->port.mux.greetings) {
        loop->greetings = loop->port.mux.greetings;
        log_line("the host opened the channel");
    }
    moved |= vsock_receive(&loop->vsock, now);
    control_pump(&loop->control, now);
    proxy_pump(&loop->proxy);
    moved |= port_send(&loop->port);
    moved |= vsock_send(&loop->vsock, now);
    if (moved && ++loop->turns % TURNS_PER_POLL != 0)
        return;
    wait_for_events(loop, now, moved ? now : until);
    port_take_events(&loop->port);
    vsock_take_events(&loop->vsock);
    take_signals(loop);
}

static bool is_delivered(struct loop *loop, long long since)
{
    long long now = clock_ms();
    bool is_waited_for = loop->control.process->attach && !loop->control.is_exit_told && loop->control.main.pid > 0;
    if (!loop->is_reachable || now >= since + EXIT_DELIVERY_MS)
        return true;
    if (is_waited_for)
        return now >= since + LATE_CLIENT_MS;
    if (!mux_is_busy(&loop->port.mux) && !vsock_is_busy(&loop->vsock))
        return true;
    bool has_unsent = buffer_used(&loop->port.mux.out) > 0 || vsock_has_unsent(&loop->vsock);
    return !has_unsent && now >= since + CLOSE_WAIT_MS;
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
    if (process != NULL && (!process->attach || !loop.is_reachable) &&
        !control_start_main(&loop.control, STDIO_CONSOLE, 0, 0))
        die("process", "cannot start: %s", strerror(errno));
    log_line("serves %s", loop.port.fd >= 0 ? "the virtio-serial port" : loop.is_reachable ? "vsock" : "nobody");
    ready();
    while (!loop.control.main.is_over)
        turn(&loop, 0);
    wind_down(&loop);
    return loop.control.main.code;
}
