/*
 * route_private - what is compiled from a snapshot, for the files of lib/route alone
 */
#ifndef POSTKEEP_ROUTE_ROUTE_PRIVATE_H
#define POSTKEEP_ROUTE_ROUTE_PRIVATE_H

#include "lib/route/route.h"
#include "lib/table/table.h"

#define ROUTE_LISTS 4 /* the classes that a list of domains makes: all but ROUTE_DEFAULT */

/* A list that is compiled, or why it could not be. */
struct route_list {
	const char *param;
	struct match_list *list;
	struct buf broken;
};

struct route_compiled {
	const struct conf *conf;
	struct route_list lists[ROUTE_LISTS]; /* by class */
	struct table **transport_maps;
	size_t n_transport_maps;
	struct buf transport_broken;  /* why there are none, though they are set */
	struct match_list *addresses; /* inet_interfaces and proxy_interfaces, as networks of one */
	struct buf addresses_broken;
	struct route_compiled *next;
};

/* What is compiled from CONF, now or before. */
struct route_compiled *route_compiled(const struct conf *conf);

/* transport_maps (transport(5)): what they say for RECIPIENT; ROUTE_FAIL means "nothing". */
enum route_status route_transport_lookup(struct route_compiled *rc,
    const struct mail_address *recipient, struct buf *value, struct buf *why);

#endif
