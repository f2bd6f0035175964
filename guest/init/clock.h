/* Time since boot, the only clock here: the wall clock may jump. */
#pragma once

#include <stdbool.h>

long long clock_ms(void);
void clock_sleep_ms(int ms);
/* The wall clock, from 2020 to 2100; false with errno, EINVAL for other times. */
bool clock_set_wall(long long seconds, long long nanoseconds);
