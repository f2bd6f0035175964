/* The control port's `forward`: a session that is a TCP connection to a port of the guest's loopback. Used by control.c. */
#pragma once

#include "json.h"
#include "session.h"

/* 127.0.0.1, and ::1 where that refuses. */
void forward_start(struct control *control, struct session *session, const struct json *request);
/* Moves all bytes that can be moved, as pump_session does for commands. */
void forward_pump(struct control *control, struct session *session);
size_t forward_polls(const struct session *session, struct pollfd *polls);
