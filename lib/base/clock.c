/* clock - wall time, which may jump, and monotonic time, which does not. */
#include "lib/base/clock.h"

#include "lib/base/log.h"

static struct timespec
now(clockid_t id)
{
	struct timespec ts;

	if (clock_gettime(id, &ts) != 0)
		log_panic("the kernel has no clock %d: %m", (int)id);
	return ts;
}

int64_t
clock_wall_us(void)
{
	struct timespec ts = now(CLOCK_REALTIME);

	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

time_t
clock_wall(void)
{
	return now(CLOCK_REALTIME).tv_sec;
}

int64_t
clock_mono_ms(void)
{
	struct timespec ts = now(CLOCK_MONOTONIC);

	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}
