/*
 * port25 - is port 25 blocked on the way out?
 *
 * Many networks let no mail out to port 25, and say nothing. When nobody answers there, at several hosts and
 * for some minutes, and no connection was ever made meanwhile, that is worth one line in the log. Pure: the
 * caller has the clock.
 */
#ifndef POSTKEEP_SMTP_CLIENT_PORT25_H
#define POSTKEEP_SMTP_CLIENT_PORT25_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PORT25_HOSTS 5
#define PORT25_MS 180000

/* Ready when zeroed. */
struct port25 {
	uint64_t hosts[PORT25_HOSTS]; /* that did not answer; numbers that stand for addresses */
	size_t n;
	int64_t since_ms; /* of the first of them */
	bool told;
};

/* A connection to port 25 was made: nothing is blocked, and all is forgotten. */
void port25_connected(struct port25 *p);
/*
 * HOST did not answer (time-out, no route, not permitted). NOW_MS is a monotonic clock. True, once in such a
 * series: at least PORT25_HOSTS hosts did not, and it began PORT25_MS ago.
 */
bool port25_silent(struct port25 *p, uint64_t host, int64_t now_ms);

#endif
