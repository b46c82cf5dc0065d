/* random - unpredictable bytes from the kernel; there is no weaker source to fall back to. */
#include "lib/base/random.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/types.h>

#include "lib/base/log.h"

void
random_bytes(void *p, size_t n)
{
	char *at = p;

	while (n > 0) {
		ssize_t got = getrandom(at, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			log_fatal("the kernel gives no random bytes: %m");
		at += got;
		n -= (size_t)got;
	}
}

uint64_t
random_below(uint64_t below)
{
	uint64_t value, unfair;

	if (below == 0)
		log_panic("a random number below 0 is asked for");
	/* The first 2^64 mod BELOW values would make the small results likelier: draw again. */
	unfair = (0 - below) % below;
	do
		random_bytes(&value, sizeof(value));
	while (value < unfair);
	return value % below;
}
