/*
 * net - networks in CIDR notation, as they stand in mynetworks
 */
#ifndef POSTKEEP_BASE_NET_H
#define POSTKEEP_BASE_NET_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

struct net {
	bool v6;
	unsigned char bytes[16]; /* 4 of them for IPv4 */
	unsigned bits;
};

enum net_status {
	NET_OK,
	NET_NONE, /* no address at all: a name, a table */
	NET_BAD,  /* meant as one, but wrong; WHY, unless NULL, says how */
};

/* "192.0.2.1", "192.0.2.0/24", "[2001:db8::]/32", "2001:db8::/32", "[::1]". */
enum net_status net_parse(struct str text, struct net *net, struct buf *why);
/* Is ADDRESS (its bits all count) in NET? An IPv4 address mapped into IPv6 counts as IPv4. */
bool net_has(const struct net *net, const struct net *address);

#endif
