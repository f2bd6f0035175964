/* The one-way channel to the host: docs/guest-protocol.md, "Status". */
#pragma once

void status_open(int fd);
/* `more` is JSON members after the event and the time: "" or `,"code":3` */
void status_event(const char *event, const char *more);
void status_error(const char *step, const char *more, const char *message);
