/* One line to the kernel's log: seen on the console unless `quiet`, always in dmesg. */
#pragma once

void log_open(void);
/* From now on lines go to `sink` as well, without what the kernel's log has around them. */
void log_to(void (*sink)(const char *line));
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* One line to the console, `quiet` or not. */
void log_console(const char *format, ...) __attribute__((format(printf, 1, 2)));
