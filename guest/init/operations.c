#include "session.h"

#include "clock.h"
#include "copy.h"
#include "forward.h"
#include "json.h"
#include "log.h"
#include "request.h"
#include "stats.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#ifndef FLINTLOCK_VERSION
#define FLINTLOCK_VERSION "dev"
#endif

/* What we add to upstream's protocol. Its agent overlooks what it does not know, so a host has to be told. */
#define EXTENSIONS "\"attach\",\"clock\",\"forward\",\"poweroff\",\"resize\",\"signal\",\"tty\""

static void run_info(struct control *control, struct session *session)
{
    struct utsname name;
    char line[sizeof name], escaped[sizeof name], text[sizeof name + 256];
    uname(&name);
    snprintf(line, sizeof line, "%s %s %s %s %s", name.sysname, name.nodename, name.release, name.version, name.machine);
    json_escape(line, escaped, sizeof escaped);
    snprintf(text, sizeof text, "{\"version\":\"%s\",\"uname\":\"%s\",\"uptime\":\"%llds\",\"extensions\":[" EXTENSIONS "]}",
             FLINTLOCK_VERSION, escaped, clock_ms() / 1000);
    frame_send(session->stream, FRAME_STDOUT, text);
    frame_send_exit(session->stream, 0);
    session_finish(control, session);
}

static void run_exec(struct control *control, struct session *session, const struct json *json)
{
    struct exec_request request;
    char problem[320];
    const char *error =
        exec_request_parse(&request, json_get(json, "exec"), control->process, problem, sizeof problem);
    if (error != NULL) {
        session_refuse(control, session, error, 126);
    } else if (!command_start(&session->command, &request.spec)) {
        snprintf(problem, sizeof problem, "start: %s", strerror(errno));
        session_refuse(control, session, problem, 126);
    } else {
        session->state = RUNS_COMMAND;
        if (request.timeout_sec > 0)
            session->command.deadline = clock_ms() + request.timeout_sec * 1000LL;
    }
    exec_request_free(&request);
}

/* By root and from `/`, in a process of its own: disks may be slow, and the other sessions go on. */
static void run_task(struct control *control, struct session *session, int (*run)(const void *), const void *task,
                     bool has_stdin)
{
    static const struct user root;
    struct command_spec spec = {
        .run = run, .task = task, .cwd = "/", .user = &root, .stdio = STDIO_PIPES, .has_stdin = has_stdin};
    if (command_start(&session->command, &spec))
        session->state = RUNS_COMMAND;
    else
        session_refuse(control, session, strerror(errno), 1);
}

static int copy_out_task(const void *task)
{
    return copy_out(task);
}

static int copy_in_task(const void *task)
{
    return copy_in(task);
}

static void run_copy(struct control *control, struct session *session, const struct json *request, bool is_out)
{
    struct copy_out out = {.path = json_string(request, "path", ""),
                           .follows_link = json_bool(request, "follow", false),
                           .is_header_only = json_bool(request, "header", false)};
    struct copy_in in = {.path = out.path, .keeps_owners = json_bool(request, "owners", false)};
    if (out.path[0] == 0 || strlen(out.path) >= PATH_MAX)
        session_refuse(control, session, "path: must be 1 to 4095 bytes", 1);
    else if (is_out)
        run_task(control, session, copy_out_task, &out, false);
    else
        run_task(control, session, copy_in_task, &in, true);
}

static int stats_task(const void *task)
{
    (void)task;
    stats_write(stdout);
    return fflush(stdout) == 0 ? 0 : 1;
}

static void run_attach(struct control *control, struct session *session, const struct json *json)
{
    const struct json *attach = json_get(json, "attach");
    long long rows = json_integer(attach, "rows", 0), cols = json_integer(attach, "cols", 0);
    if (rows < 0 || rows > 9999 || cols < 0 || cols > 9999)
        rows = cols = 0;
    if (control->process == NULL || !control->process->attach) {
        session_refuse(control, session, "attach: this microVM has no process to attach to", 1);
        return;
    }
    if (control->attached != NULL) {
        frame_send_error(control->attached->stream, "another client attached");
        session_finish(control, control->attached);
    }
    control->attached = session;
    session->state = ATTACHED;
    if (control->main.pid != 0) {
        command_resize(&control->main, (unsigned short)rows, (unsigned short)cols);
        return;
    }
    if (!control_start_main(control, control->process->tty ? STDIO_TTY : STDIO_PIPES, (unsigned short)rows,
                            (unsigned short)cols)) {
        char problem[128];
        snprintf(problem, sizeof problem, "start: %s", strerror(errno));
        session_refuse(control, session, problem, 126);
    }
}

/* A guest that was paused sleeps through it: its wall clock is as late as that was long. */
static void run_clock(struct control *control, struct session *session, const struct json *clock)
{
    if (!clock_set_wall(json_integer(clock, "sec", -1), json_integer(clock, "nsec", -1))) {
        session_refuse(control, session, errno == EINVAL ? "clock: not a time of this century" : strerror(errno), 1);
        return;
    }
    log_line("set the clock");
    frame_send_exit(session->stream, 0);
    session_finish(control, session);
}

void session_run_request(struct control *control, struct session *session, char *text, size_t length)
{
    const char *error = NULL;
    struct json *json = json_parse(text, length, &error);
    const char *op = json_string(json, "op", "");
    char problem[128];
    if (json == NULL) {
        snprintf(problem, sizeof problem, "invalid request json: %s", error);
        session_refuse(control, session, problem, 1);
    } else if (json_integer(json, "version", 1) != 1) {
        session_refuse(control, session, "unsupported protocol version (agent speaks 1)", 1);
    } else if (strcmp(op, "ping") == 0) {
        frame_send_exit(session->stream, 0);
        session_finish(control, session);
    } else if (strcmp(op, "info") == 0) {
        run_info(control, session);
    } else if (strcmp(op, "exec") == 0) {
        run_exec(control, session, json);
    } else if (strcmp(op, "attach") == 0) {
        run_attach(control, session, json);
    } else if (strcmp(op, "forward") == 0) {
        forward_start(control, session, json_get(json, "forward"));
    } else if (strcmp(op, "read-files") == 0 || strcmp(op, "write-files") == 0) {
        run_copy(control, session, json_get(json, op), op[0] == 'r');
    } else if (strcmp(op, "stats") == 0) {
        run_task(control, session, stats_task, NULL, false);
    } else if (strcmp(op, "clock") == 0) {
        run_clock(control, session, json_get(json, "clock"));
    } else if (strcmp(op, "poweroff") == 0) {
        frame_send_exit(session->stream, 0);
        session_finish(control, session);
        control_power_off(control);
    } else {
        snprintf(problem, sizeof problem, "unknown op \"%.64s\"", op);
        session_refuse(control, session, problem, 1);
    }
    free(json);
}
