/* The end of the guest. */
#pragma once

#include <stdbool.h>

/* True where the machine ends by a restart, because the kernel cannot switch it off. */
bool poweroff_is_restart(void);
/* Ends all other processes, makes the disks clean and switches the machine off. For PID 1. */
_Noreturn void poweroff(void);
/* Says so on the status channel and the console, then poweroff. `step` is a word of docs/guest-protocol.md. */
_Noreturn void die(const char *step, const char *format, ...) __attribute__((format(printf, 2, 3)));
