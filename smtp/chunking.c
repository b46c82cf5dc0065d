/*
 * chunking - see chunking.h
 */
#include "smtp/chunking.h"

#include <string.h>

bool
chunking_works(const struct chunking *c, struct str relay)
{
	for (size_t i = 0; i < CHUNKING_SERVERS; i++)
		if (relay.len > 0 && str_eq(str_n(c->name[i], c->len[i]), relay))
			return false;
	return true;
}

void
chunking_refused(struct chunking *c, struct str relay)
{
	if (relay.len > CHUNKING_NAME_MAX || !chunking_works(c, relay))
		return;
	memcpy(c->name[c->next], relay.data, relay.len);
	c->len[c->next] = relay.len;
	c->next = (c->next + 1) % CHUNKING_SERVERS;
}
