/* clock - wall time, which may jump, and monotonic time, which does not. */
#ifndef POSTKEEP_BASE_CLOCK_H
#define POSTKEEP_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Microseconds since 1970. */
int64_t clock_wall_us(void);
/* Seconds since 1970. */
time_t clock_wall(void);
/* Milliseconds of CLOCK_MONOTONIC: for deadlines and durations. */
int64_t clock_mono_ms(void);

#endif
