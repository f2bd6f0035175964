#include "log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static int kmsg = -1;
static void (*sink)(const char *line);

void log_open(void)
{
    kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
}

static void write_line(int fd, const char *prefix, const char *end, const char *format, va_list args)
{
    char line[512];
    size_t used = (size_t)snprintf(line, sizeof line, "%sflintlock: ", prefix);
    int n = vsnprintf(line + used, sizeof line - used - 3, format, args);
    if (n < 0)
        return;
    used += (size_t)n < sizeof line - used - 3 ? (size_t)n : sizeof line - used - 4;
    for (const char *c = end; *c; c++)
        line[used++] = *c;
    if (write(fd, line, used) < 0)
        return; /* nowhere left to say so */
}

void log_to(void (*other)(const char *line))
{
    sink = other;
}

void log_line(const char *format, ...)
{
    char line[256];
    va_list args;
    va_start(args, format);
    write_line(kmsg, "<6>", "\n", format, args);
    va_end(args);
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (sink != NULL)
        sink(line);
}

void log_console(const char *format, ...)
{
    int fd = open("/dev/console", O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    va_list args;
    va_start(args, format);
    write_line(fd, "", "\r\n", format, args);
    va_end(args);
    if (fd >= 0)
        close(fd);
}
