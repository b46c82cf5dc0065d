/*
 * clock - preloaded by tests: the wall clock of a program is off by as many seconds as the file says that
 * $TEST_CLOCK names (eight bytes, in the machine's order). It may change at any time; the monotonic clock is
 * left alone, as it is when somebody sets a machine's clock.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

typedef int gettime(clockid_t id, struct timespec *ts);

static volatile int64_t *off_by;
static gettime *real;

/* While the program may still open files. */
__attribute__((constructor)) static void
begin(void)
{
	const char *path = getenv("TEST_CLOCK");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *page =
	    fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*off_by), PROT_READ, MAP_SHARED, fd, 0);

	real = (gettime *)dlsym(RTLD_NEXT, "clock_gettime");
	if (fd >= 0)
		close(fd);
	if (page == MAP_FAILED || !real)
		abort();
	off_by = page;
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	int result = real(id, ts);

	if (result == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		ts->tv_sec += (time_t)*off_by;
	return result;
}

time_t
time(time_t *result)
{
	struct timespec ts = {0};

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	if (result)
		*result = ts.tv_sec;
	return ts.tv_sec;
}

int
gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec ts;

	(void)zone;
	if (clock_gettime(CLOCK_REALTIME, &ts) != 0)
		return -1;
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = (suseconds_t)(ts.tv_nsec / 1000);
	return 0;
}
