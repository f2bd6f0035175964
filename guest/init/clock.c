#include "clock.h"

#include <errno.h>
#include <time.h>

#define YEAR_2020 1577836800LL
#define YEAR_2100 4102444800LL

long long clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void clock_sleep_ms(int ms)
{
    struct timespec t = {ms / 1000, (ms % 1000) * 1000000L};
    nanosleep(&t, NULL);
}

bool clock_set_wall(long long seconds, long long nanoseconds)
{
    if (seconds < YEAR_2020 || seconds >= YEAR_2100 || nanoseconds < 0 || nanoseconds >= 1000000000) {
        errno = EINVAL;
        return false;
    }
    struct timespec t = {seconds, (long)nanoseconds};
    return clock_settime(CLOCK_REALTIME, &t) == 0;
}
