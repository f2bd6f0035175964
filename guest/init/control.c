#include "control.h"

#include "clock.h"
#include "forward.h"
#include "log.h"
#include "poweroff.h"
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define GRACE_MS 2000
#define POWER_OFF_GRACE_MS 5000
/* An init that has just been executed does not listen yet: ask again after this, then twice this, … */
#define ASK_AGAIN_MS 500
#define MAX_ASKED 8
/* A background child may keep the streams open: what it writes later than this is not waited for */
#define LINGER_MS 200
/* systemd(1): SIGRTMIN+4 = poweroff.target, +5 = reboot.target, with glibc's SIGRTMIN; musl's is one more */
#define SIGNAL_SYSTEMD_POWEROFF 38
#define SIGNAL_SYSTEMD_REBOOT 39

/* Reads into `at`; closes at the end or, when the command is over, after a silence. 0 = nothing now. */
static size_t read_output(struct command *command, int *fd, void *at, size_t length, long long now)
{
    bool *waits = fd == &command->out ? &command->out_waits : &command->err_waits;
    /* With many commands most have nothing: asking each in vain costs more than all their bytes. */
    if (*waits && !command->is_over)
        return 0;
    ssize_t n = *fd >= 0 ? read(*fd, at, length) : 0;
    *waits = n < (ssize_t)length;
    if (n > 0)
        return (size_t)n;
    bool is_pending = n < 0 && (errno == EAGAIN || errno == EINTR);
    if (*fd >= 0 && (!is_pending || (command->is_over && now >= command->over_at + LINGER_MS))) {
        close(*fd);
        *fd = -1;
    }
    return 0;
}

static void pump_output(struct command *command, int *fd, enum frame_type type, struct stream *stream, long long now)
{
    while (*fd >= 0) {
        size_t room = frame_room(stream);
        if (room < FRAME_MIN_OUTPUT)
            return;
        uint8_t *at = buffer_reserve(&stream->out, FRAME_HEAD_BYTES + room);
        size_t n = read_output(command, fd, at + FRAME_HEAD_BYTES, room, now);
        if (n == 0)
            return;
        frame_end(stream, at, type, n);
    }
}

static void flush_console(struct control *control)
{
    struct buffer *out = &control->console_out;
    while (buffer_used(out) > 0) {
        ssize_t n = control->console < 0 ? (ssize_t)buffer_used(out)
                                         : write(control->console, buffer_head(out), buffer_used(out));
        if (n < 0 && errno == EAGAIN)
            return;
        buffer_drop(out, n > 0 ? (size_t)n : buffer_used(out));
    }
}

static void pump_to_console(struct control *control, int *fd, long long now)
{
    struct buffer *out = &control->console_out;
    flush_console(control);
    while (*fd >= 0 && buffer_room(out) > 0) {
        uint8_t *at = buffer_reserve(out, buffer_room(out));
        size_t n = read_output(&control->main, fd, at, buffer_room(out), now);
        if (n == 0)
            break;
        out->end += n;
        flush_console(control);
    }
}

static bool is_drained(const struct command *command)
{
    return command->is_over && command->out < 0 && command->err < 0;
}

static void pump_session(struct control *control, struct session *session, long long now)
{
    struct command *command = session_command(control, session);
    command_tick(&session->command, now);
    if (session->stream == NULL) {
        if (session->command.is_over)
            session_release(control, session);
        return;
    }
    if (session->state == FORWARDS) {
        forward_pump(control, session);
        return;
    }
    if (!session_pump_input(control, session) || session->state == AWAITS_REQUEST || session->state == FORWARDS)
        return;
    command = session_command(control, session);
    pump_output(command, &command->out, FRAME_STDOUT, session->stream, now);
    pump_output(command, &command->err, FRAME_STDERR, session->stream, now);
    if (!is_drained(command) || frame_room(session->stream) == 0)
        return;
    if (session->state == ATTACHED)
        control->is_exit_told = true;
    else
        command_close(command);
    frame_send_exit(session->stream, command->code);
    session_finish(control, session);
}

static void ask_init(struct control *control);

void control_pump(struct control *control, long long now)
{
    command_tick(&control->main, now);
    if (control->ask_again_at != 0 && now >= control->ask_again_at)
        ask_init(control);
    for (size_t i = 0; i < CONTROL_MAX_SESSIONS; i++)
        if (control->sessions[i].in_use)
            pump_session(control, &control->sessions[i], now);
    if (control->attached == NULL) {
        pump_to_console(control, &control->main.out, now);
        pump_to_console(control, &control->main.err, now);
    }
}

const char *control_opened(struct control *control, struct stream *stream)
{
    for (size_t i = 0; i < CONTROL_MAX_SESSIONS; i++) {
        struct session *session = &control->sessions[i];
        if (session->in_use)
            continue;
        *session = (struct session){.in_use = true, .stream = stream, .command = {.in = -1, .out = -1, .err = -1}};
        stream->owner = session;
        return NULL;
    }
    return "too many commands";
}

void control_dropped(struct control *control, struct stream *stream)
{
    struct session *session = stream->owner;
    if (session == NULL)
        return;
    session->stream = NULL;
    command_close(&session->command);
    if (session->state == RUNS_COMMAND)
        command_end(&session->command, GRACE_MS);
    else
        session_release(control, session);
}

bool control_init(struct control *control, const struct process_config *process, const struct user *user)
{
    *control = (struct control){.process = process, .main = {.in = -1, .out = -1, .err = -1}};
    if (user != NULL)
        control->user = *user;
    control->console = open("/dev/console", O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    return buffer_init(&control->console_out, 8192);
}

bool control_start_main(struct control *control, enum stdio_kind stdio, unsigned short rows, unsigned short cols)
{
    struct command_spec spec = {
        .args = control->process->args,
        .env = control->process->env,
        .cwd = control->process->cwd,
        .user = &control->user,
        .stdio = stdio,
        .has_stdin = true,
        .rows = rows,
        .cols = cols,
    };
    return command_start(&control->main, &spec);
}

/*
 * Both kinds of init are asked, and take the other's signal well. But busybox restarts on TERM, at which systemd would
 * execute itself anew: it is recognized as sd_booted(3) says, by a directory that it makes before it hears signals.
 */
static void ask_init(struct control *control)
{
    if (!poweroff_is_restart()) {
        kill(1, SIGNAL_SYSTEMD_POWEROFF);
        kill(1, SIGUSR2); /* busybox: poweroff; systemd: writes its state to its log */
    } else if (access("/run/systemd/system", F_OK) == 0) {
        kill(1, SIGNAL_SYSTEMD_REBOOT);
    } else {
        kill(1, SIGTERM);
    }
    control->ask_again_at = control->asked < MAX_ASKED ? clock_ms() + ((long long)ASK_AGAIN_MS << control->asked) : 0;
    control->asked++;
}

void control_power_off(struct control *control)
{
    struct command *main = &control->main;
    log_line("asked to power off");
    if (control->process == NULL) {
        control->asked = 0;
        ask_init(control);
    } else if (main->pid == 0) {
        main->is_over = true; /* it will not be started any more */
        main->over_at = clock_ms();
        main->pid = -1;
    } else if (!main->is_over && main->kill_at == 0) {
        kill(main->pid, SIGTERM);
        main->kill_at = clock_ms() + POWER_OFF_GRACE_MS;
    }
}

static void sooner(long long *next, long long moment)
{
    if (moment != 0 && (*next == 0 || moment < *next))
        *next = moment;
}

static void sooner_for(long long *next, struct command *command, long long now)
{
    sooner(next, command_tick(command, now));
    if (command->is_over && (command->out >= 0 || command->err >= 0))
        sooner(next, command->over_at + LINGER_MS > now ? command->over_at + LINGER_MS : now + LINGER_MS);
}

long long control_next(struct control *control, long long now)
{
    long long next = control->ask_again_at;
    sooner_for(&next, &control->main, now);
    for (size_t i = 0; i < CONTROL_MAX_SESSIONS; i++)
        if (control->sessions[i].in_use)
            sooner_for(&next, &control->sessions[i].command, now);
    return next;
}

static void watch(struct control *control, struct pollfd *polls, size_t *count, int fd, short events, bool *waits)
{
    polls[*count] = (struct pollfd){.fd = fd, .events = events};
    control->waits[(*count)++] = waits;
}

static void watch_output(struct control *control, struct pollfd *polls, size_t *count, struct command *command)
{
    if (command->out >= 0)
        watch(control, polls, count, command->out, POLLIN, &command->out_waits);
    if (command->err >= 0)
        watch(control, polls, count, command->err, POLLIN, &command->err_waits);
}

size_t control_polls(struct control *control, struct pollfd *polls)
{
    size_t count = 0;
    for (size_t i = 0; i < CONTROL_MAX_SESSIONS; i++) {
        struct session *session = &control->sessions[i];
        struct command *command = session_command(control, session);
        if (!session->in_use || session->stream == NULL || session->state == AWAITS_REQUEST)
            continue;
        if (session->state == FORWARDS) {
            size_t more = forward_polls(session, polls + count);
            memset(control->waits + count, 0, more * sizeof *control->waits);
            count += more;
            continue;
        }
        bool has_input = buffer_used(&session->stream->in) > 0;
        if (has_input && command->in >= 0)
            watch(control, polls, &count, command->in, POLLOUT, &command->in_waits);
        if (frame_room(session->stream) >= FRAME_MIN_OUTPUT)
            watch_output(control, polls, &count, command);
    }
    if (control->attached == NULL) {
        bool is_full = buffer_used(&control->console_out) > 0;
        if (is_full)
            watch(control, polls, &count, control->console, POLLOUT, NULL);
        else
            watch_output(control, polls, &count, &control->main);
    }
    return count;
}

void control_polled(struct control *control, const struct pollfd *polls, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (polls[i].revents != 0 && control->waits[i] != NULL)
            *control->waits[i] = false;
}

static void command_ended(struct command *command, int pid, int status)
{
    if (command->pid != pid || command->is_over)
        return;
    if (command->kill_at != 0)
        kill(-pid, SIGKILL);
    command_over(command, status);
}

void control_over(struct control *control, int pid, int status)
{
    command_ended(&control->main, pid, status);
    for (size_t i = 0; i < CONTROL_MAX_SESSIONS; i++)
        if (control->sessions[i].in_use)
            command_ended(&control->sessions[i].command, pid, status);
}

bool control_main_is_over(const struct control *control)
{
    return is_drained(&control->main) && buffer_used(&control->console_out) == 0;
}
