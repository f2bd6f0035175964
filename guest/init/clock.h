/* Time since boot, the only clock here: the wall clock may jump. */
#pragma once

long long clock_ms(void);
void clock_sleep_ms(int ms);
