/* span - a length of time in words: see span.h */
#include "admin/span.h"

#include <inttypes.h>
#include <stdio.h>

#define MINUTE 60
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

const char *
span_text(int64_t seconds, char out[SPAN_SIZE])
{
	int64_t s = seconds < 0 ? 0 : seconds;

	if (s < MINUTE)
		snprintf(out, SPAN_SIZE, "%" PRId64 " s", s);
	else if (s < HOUR)
		snprintf(out, SPAN_SIZE, "%" PRId64 " min", s / MINUTE);
	else if (s < DAY)
		snprintf(
		    out, SPAN_SIZE, "%" PRId64 " h %" PRId64 " min", s / HOUR, s % HOUR / MINUTE);
	else
		snprintf(out, SPAN_SIZE, "%" PRId64 " d %" PRId64 " h", s / DAY, s % DAY / HOUR);
	return out;
}
