/*
 * match_private - networks in match lists. Nobody outside lib/table includes it.
 */
#ifndef POSTKEEP_TABLE_MATCH_PRIVATE_H
#define POSTKEEP_TABLE_MATCH_PRIVATE_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

struct match_net {
	bool v6;
	unsigned char bytes[16]; /* 4 of them for IPv4 */
	unsigned bits;
};

enum match_net_status {
	MATCH_NET_OK,
	MATCH_NET_NONE, /* no address at all: a name, a table */
	MATCH_NET_BAD,  /* meant as one, but wrong; WHY, unless NULL, says how */
};

/* "192.0.2.1", "192.0.2.0/24", "[2001:db8::]/32", "2001:db8::/32", "[::1]". */
enum match_net_status match_net_parse(struct str text, struct match_net *net, struct buf *why);
/* Is ADDRESS (its bits all count) in NET? An IPv4 address mapped into IPv6 counts as IPv4. */
bool match_net_has(const struct match_net *net, const struct match_net *address);

#endif
