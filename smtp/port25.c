/*
 * port25 - see port25.h
 */
#include "smtp/port25.h"

void
port25_connected(struct port25 *p)
{
	*p = (struct port25){0};
}

static void
add(struct port25 *p, uint64_t host, int64_t now_ms)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->hosts[i] == host)
			return;
	if (p->n == 0)
		p->since_ms = now_ms;
	if (p->n < PORT25_HOSTS)
		p->hosts[p->n++] = host;
}

bool
port25_silent(struct port25 *p, uint64_t host, int64_t now_ms)
{
	add(p, host, now_ms);
	if (p->told || p->n < PORT25_HOSTS || now_ms - p->since_ms < PORT25_MS)
		return false;
	p->told = true;
	return true;
}
