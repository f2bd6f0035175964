#include "session.h"

#include "json.h"
#include "log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_FRAME (16 * 1024 * 1024)
#define MAX_REQUEST (1024 * 1024)
#define MAX_SMALL 256
#define MAX_OUTPUT (STREAM_PIECE_BYTES - FRAME_HEAD_BYTES)
/* Kept free of output in a stream's buffer, for an error and the exit */
#define TAIL_RESERVE 2048

size_t frame_room(const struct stream *stream)
{
    size_t room = buffer_room(&stream->out);
    room = room > TAIL_RESERVE + FRAME_HEAD_BYTES ? room - TAIL_RESERVE - FRAME_HEAD_BYTES : 0;
    return room < MAX_OUTPUT ? room : MAX_OUTPUT;
}

void frame_end(struct stream *stream, uint8_t *at, enum frame_type type, size_t length)
{
    at[0] = (uint8_t)type;
    at[1] = (uint8_t)(length >> 24);
    at[2] = (uint8_t)(length >> 16);
    at[3] = (uint8_t)(length >> 8);
    at[4] = (uint8_t)length;
    stream->out.end += FRAME_HEAD_BYTES + length;
}

void frame_send(struct stream *stream, enum frame_type type, const char *text)
{
    size_t length = strlen(text);
    uint8_t *at = buffer_reserve(&stream->out, FRAME_HEAD_BYTES + length);
    if (at == NULL)
        return; /* control.c keeps room for the few frames of this kind */
    memcpy(at + FRAME_HEAD_BYTES, text, length);
    frame_end(stream, at, type, length);
}

void frame_send_exit(struct stream *stream, int code)
{
    char text[32];
    snprintf(text, sizeof text, "{\"code\":%d}", code);
    frame_send(stream, FRAME_EXIT, text);
}

void frame_send_error(struct stream *stream, const char *message)
{
    char escaped[480], text[512];
    json_escape(message, escaped, sizeof escaped);
    snprintf(text, sizeof text, "{\"msg\":\"%s\"}", escaped);
    frame_send(stream, FRAME_ERROR, text);
}

void session_release(struct control *control, struct session *session)
{
    if (control->attached == session)
        control->attached = NULL;
    free(session->body);
    *session = (struct session){0};
}

void session_finish(struct control *control, struct session *session)
{
    stream_finish(session->stream);
    session_release(control, session);
}

void session_refuse(struct control *control, struct session *session, const char *message, int code)
{
    frame_send_error(session->stream, message);
    frame_send_exit(session->stream, code);
    session_finish(control, session);
}

struct command *session_command(struct control *control, struct session *session)
{
    return session->state == ATTACHED ? &control->main : &session->command;
}

static void drop_stdin(struct command *command)
{
    close(command->in);
    command->in = -1;
}

static void close_stdin(struct session *session, struct command *command)
{
    static const char end_of_text = 4;
    session->forward.is_input_over = true;
    if (command->in < 0)
        return;
    if (command->tty) { /* closing the master would hang up the terminal */
        if (write(command->in, &end_of_text, 1) < 0)
            log_line("stdin: %s", strerror(errno));
        return;
    }
    if (session->state == FORWARDS)
        shutdown(command->in, SHUT_WR); /* `out` is the same connection */
    drop_stdin(command);
}

/* False when the command takes no more now. */
static bool forward_stdin(struct session *session, struct command *command)
{
    struct stream *stream = session->stream;
    size_t n = buffer_used(&stream->in);
    if (n > session->left)
        n = session->left;
    if (command->in >= 0) {
        if (command->in_waits && session->state != FORWARDS)
            return false;
        ssize_t written = write(command->in, buffer_head(&stream->in), n);
        if (written < 0 && (errno == EAGAIN || errno == EINTR)) {
            command->in_waits = true;
            return false;
        }
        if (written >= 0)
            n = (size_t)written;
        else if (!command->tty)
            drop_stdin(command); /* it reads no more: the rest is thrown away */
    }
    stream_take(stream, n);
    session->left -= (uint32_t)n;
    return true;
}

static void take_small_frame(struct control *control, struct session *session, char *text, size_t length)
{
    struct command *command = session_command(control, session);
    const char *error;
    struct json *json = json_parse(text, length, &error);
    if (session->head[0] == FRAME_RESIZE) {
        long long rows = json_integer(json, "rows", 0), cols = json_integer(json, "cols", 0);
        if (rows > 0 && rows < 10000 && cols > 0 && cols < 10000)
            command_resize(command, (unsigned short)rows, (unsigned short)cols);
    } else {
        int number = signal_by_name(json_string(json, "signal", ""));
        if (number != 0 && session->state == ATTACHED && !command->tty && command->pid > 0 && !command->is_over)
            kill(command->pid, number); /* as docker: the main process decides about its children */
        else if (number != 0)
            command_signal(command, number);
    }
    free(json);
}

/* A frame other than stdin is whole in session->body. False when the session is gone. */
static bool take_body(struct control *control, struct session *session)
{
    char *text = session->body;
    size_t length = session->body_used;
    session->body = NULL;
    session->body_used = 0;
    text[length] = 0;
    if (session->head[0] == FRAME_REQUEST)
        session_run_request(control, session, text, length);
    else
        take_small_frame(control, session, text, length);
    free(text);
    return session->in_use;
}

/* The header is there: decides whether the frame may come. False when the session is gone. */
static bool begin_frame(struct control *control, struct session *session)
{
    const uint8_t *head = session->head;
    session->left = (uint32_t)head[1] << 24 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 8 | head[4];
    bool is_request = head[0] == FRAME_REQUEST, is_small = head[0] == FRAME_RESIZE || head[0] == FRAME_SIGNAL;
    if (is_request != (session->state == AWAITS_REQUEST)) {
        session_refuse(control, session, is_request ? "a second request" : "expected request frame", 1);
        return false;
    }
    if (session->left > (is_request ? MAX_REQUEST : is_small ? MAX_SMALL : MAX_FRAME)) {
        session_refuse(control, session, "frame exceeds max size", 1);
        return false;
    }
    if (head[0] == FRAME_STDIN_EOF)
        close_stdin(session, session_command(control, session));
    if (!is_request && !is_small)
        return true;
    session->body = malloc(session->left + 1);
    if (session->body == NULL) {
        session_refuse(control, session, "out of memory", 1);
        return false;
    }
    return session->left > 0 || take_body(control, session);
}

/* False when the session is gone. */
bool session_pump_input(struct control *control, struct session *session)
{
    struct stream *stream = session->stream;
    /* What a client sends before its connection stands waits for it. */
    while (buffer_used(&stream->in) > 0 && !session->forward.is_connecting) {
        const uint8_t *bytes = buffer_head(&stream->in);
        size_t n = buffer_used(&stream->in);
        if (session->head_used < FRAME_HEAD_BYTES) {
            if (n > FRAME_HEAD_BYTES - session->head_used)
                n = FRAME_HEAD_BYTES - session->head_used;
            memcpy(session->head + session->head_used, bytes, n);
            session->head_used += n;
            stream_take(stream, n);
            if (session->head_used == FRAME_HEAD_BYTES && !begin_frame(control, session))
                return false;
        } else if (session->head[0] == FRAME_STDIN) {
            if (!forward_stdin(session, session_command(control, session)))
                return true;
        } else {
            if (n > session->left)
                n = session->left;
            if (session->body != NULL) {
                memcpy(session->body + session->body_used, bytes, n);
                session->body_used += n;
            }
            session->left -= (uint32_t)n;
            stream_take(stream, n);
            if (session->left == 0 && session->body != NULL && !take_body(control, session))
                return false;
        }
        if (session->head_used == FRAME_HEAD_BYTES && session->left == 0)
            session->head_used = 0;
    }
    if (stream->in_eof && session->state == AWAITS_REQUEST) {
        session_finish(control, session);
        return false;
    }
    bool is_over = stream->in_eof && !session->forward.is_connecting;
    if (is_over && session->state != ATTACHED && !session->command.tty)
        close_stdin(session, &session->command);
    return true;
}
