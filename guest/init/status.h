/* The one-way channel to the host: docs/guest-protocol.md, "Status". */
#pragma once

/* A virtio-serial port, non-blocking; -1 = there is none, and events go to the kernel's log. */
void status_open(int fd);
/* In place of status_open: waits for the block device, see devices_find_block. */
void status_open_disk(const char *device);
/* `more` is JSON members after the event and the time: "" or `,"code":3` */
void status_event(const char *event, const char *more);
/* How the guest ends, as status_event; for this line there is always room. */
void status_last(const char *event, const char *more);
/* Log lines are events of that name from now on, of `who` and bounded: the host reads them before the guest's end. */
void status_log(const char *who);
/* As status_last. */
void status_error(const char *step, const char *more, const char *message);
