/* One client of the control port: its frames, its request, what it sends. Used by control.c alone. */
#pragma once

#include "control.h"

#define FRAME_HEAD_BYTES 5
/* Less room is not worth a frame of output */
#define FRAME_MIN_OUTPUT 1024

enum frame_type {
    FRAME_REQUEST = 1,
    FRAME_STDIN,
    FRAME_STDIN_EOF,
    FRAME_STDOUT,
    FRAME_STDERR,
    FRAME_EXIT,
    FRAME_ERROR,
    FRAME_RESIZE,
    FRAME_SIGNAL,
    FRAME_CONNECTED,
};

/* For the payload of a frame of output; an error and the exit have room besides. */
size_t frame_room(const struct stream *stream);
/* Completes a frame whose payload stands at `at` + FRAME_HEAD_BYTES, reserved in the stream's `out`. */
void frame_end(struct stream *stream, uint8_t *at, enum frame_type type, size_t length);
void frame_send(struct stream *stream, enum frame_type type, const char *text);
void frame_send_exit(struct stream *stream, int code);
void frame_send_error(struct stream *stream, const char *message);

void session_release(struct control *control, struct session *session);
/* All is said: the stream ends when it is sent. */
void session_finish(struct control *control, struct session *session);
/* Error, exit and finish. */
void session_refuse(struct control *control, struct session *session, const char *message, int code);
/* The command its frames are about: its own or the main process. */
struct command *session_command(struct control *control, struct session *session);
/* Takes what the client sent, as far as the command takes it; false when the session is gone. */
bool session_pump_input(struct control *control, struct session *session);
/* `text` has 0 at its end. */
void session_run_request(struct control *control, struct session *session, char *text, size_t length);
