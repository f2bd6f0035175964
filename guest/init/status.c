#include "status.h"

#include "clock.h"
#include "devices.h"
#include "json.h"
#include "log.h"
#include "status_disk.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 512
#define WRITE_WAIT_MS 300
/* Of a guest's whole life: the host looks for what it has to know in the last 64 KiB */
#define MAX_LOG_BYTES 16384

static int port = -1;
static struct status_disk disk = {.fd = -1};
static const char *logged_by;
static size_t logged;

void status_open(int fd)
{
    port = fd;
}

void status_open_disk(const char *device)
{
    char path[PATH_MAX];
    if (!devices_find_block(device, path))
        log_line("status: %s: no such device", device);
    else if (!status_disk_open(&disk, path))
        log_line("status: %s: %s", device, strerror(errno));
}

/* The port is non-blocking: a blocking write would spin in the kernel until the host has read it. */
static void send_line(const char *line, size_t length, bool is_last)
{
    long long deadline = clock_ms() + WRITE_WAIT_MS;
    if (status_disk_append(&disk, line, length, is_last))
        return;
    while (port >= 0) {
        ssize_t n = write(port, line, length);
        if (n == (ssize_t)length)
            return;
        int left = (int)(deadline - clock_ms());
        if ((n < 0 && errno != EAGAIN && errno != EINTR) || left <= 0)
            break;
        struct pollfd wait = {.fd = port, .events = POLLOUT};
        poll(&wait, 1, left < 20 ? left : 20);
    }
    log_line("status %.*s", (int)length - 1, line);
}

static void send_event(const char *event, const char *more, bool is_last)
{
    char line[LINE_MAX_BYTES];
    long long now = clock_ms();
    int length = snprintf(line, sizeof line, "{\"event\":\"%s\",\"t\":%lld.%02lld%s}\n", event, now / 1000,
                          now % 1000 / 10, more);
    if (length > 0 && (size_t)length < sizeof line)
        send_line(line, (size_t)length, is_last);
}

void status_event(const char *event, const char *more)
{
    send_event(event, more, false);
}

static void log_event(const char *line)
{
    char escaped[400], more[LINE_MAX_BYTES];
    if (logged > MAX_LOG_BYTES)
        return;
    log_to(NULL); /* what goes wrong with it is for the kernel's log alone */
    json_escape(logged + strlen(line) > MAX_LOG_BYTES ? "more of it is in the kernel's log" : line, escaped, sizeof escaped);
    int length = snprintf(more, sizeof more, ",\"from\":\"%s\",\"message\":\"%s\"", logged_by, escaped);
    logged += (size_t)length + strlen(line);
    status_event("log", more);
    log_to(log_event);
}

void status_log(const char *who)
{
    logged_by = who;
    log_to(who == NULL ? NULL : log_event);
}

void status_last(const char *event, const char *more)
{
    send_event(event, more, true);
}

void status_error(const char *step, const char *more, const char *message)
{
    char escaped[360], members[LINE_MAX_BYTES];
    json_escape(message, escaped, sizeof escaped);
    snprintf(members, sizeof members, ",\"step\":\"%s\"%s,\"message\":\"%s\"", step, more, escaped);
    status_last("error", members);
}
