/* id - queue IDs: see id.h. */
#include "lib/queue/id.h"

#include <string.h>

/* Digits and consonants: no ID spells a word. 'z' has the value 51 and ends the time part. */
static const char digits[] = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";

#define SECOND_DIGITS 6
#define MICRO_DIGITS 4
#define MICROS 1000000

/* Writes VALUE with at least MIN digits; returns where it ended. */
static char *
put_number(char *out, uint64_t value, unsigned base, int min)
{
	char reversed[24];
	int n = 0;

	while (value > 0 || n < min) {
		reversed[n++] = digits[value % base];
		value /= base;
	}
	while (n > 0)
		*out++ = reversed[--n];
	return out;
}

void
queue_id_make(int64_t time_us, uint32_t slot, char id[QUEUE_ID_SIZE])
{
	uint64_t t = time_us > 0 ? (uint64_t)time_us : 0;
	char *p = put_number(id, t / MICROS, 52, SECOND_DIGITS);

	p = put_number(p, t % MICROS, 52, MICRO_DIGITS);
	*p++ = 'z';
	p = put_number(p, slot, 51, 1);
	*p = '\0';
}

static bool
get_number(struct str s, unsigned base, uint64_t max, uint64_t *value)
{
	uint64_t v = 0;

	for (size_t i = 0; i < s.len; i++) {
		const char *digit = s.data[i] ? strchr(digits, s.data[i]) : NULL;

		if (!digit || (unsigned)(digit - digits) >= base)
			return false;
		v = v * base + (unsigned)(digit - digits);
		if (v > max)
			return false;
	}
	*value = v;
	return s.len > 0;
}

bool
queue_id_parse(struct str id, int64_t *time_us, uint32_t *slot)
{
	char again[QUEUE_ID_SIZE];
	uint64_t seconds, micros, number;
	size_t z = str_rchr(id, 'z');

	if (id.len >= QUEUE_ID_SIZE || z == STR_NPOS || z < SECOND_DIGITS + MICRO_DIGITS)
		return false;
	if (!get_number(str_sub(id, 0, z - MICRO_DIGITS), 52, INT64_MAX / MICROS - 1, &seconds) ||
	    !get_number(str_sub(id, z - MICRO_DIGITS, MICRO_DIGITS), 52, MICROS - 1, &micros) ||
	    !get_number(str_from(id, z + 1), 51, UINT32_MAX, &number))
		return false;
	*time_us = (int64_t)(seconds * MICROS + micros);
	*slot = (uint32_t)number;
	/* One message has one ID: leading zeros and the like are refused. */
	queue_id_make(*time_us, *slot, again);
	return str_eq(id, str_c(again));
}
