#include "poweroff.h"

#include "clock.h"
#include "files.h"
#include "log.h"
#include "mounts.h"
#include "status.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * A kernel that cannot power off halts instead, for ever: so ask for a restart where there is no ACPI or where the
 * VMM told the kernel how to be restarted (Firecracker: reboot=k). VMMs end on a restart too.
 */
bool poweroff_is_restart(void)
{
    char cmdline[4096];
    file_read("/proc/cmdline", cmdline, sizeof cmdline);
    return access("/sys/firmware/acpi/tables", F_OK) < 0 || strstr(cmdline, "reboot=k") != NULL;
}

_Noreturn void poweroff(void)
{
    bool is_restart = poweroff_is_restart();
    kill(-1, SIGKILL);
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
    mounts_quiesce();
    if (!is_restart)
        reboot(RB_POWER_OFF);
    reboot(RB_AUTOBOOT);
    for (;;)
        pause();
}

_Noreturn void die(const char *step, const char *format, ...)
{
    char message[256];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    status_error(step, strcmp(step, "process") == 0 ? ",\"code\":126" : "", message);
    log_console("%s: %s", step, message);
    clock_sleep_ms(20); /* the console's last bytes */
    poweroff();
}
