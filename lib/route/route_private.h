/*
 * route_private - what is compiled from a snapshot, for the files of lib/route alone
 */
#ifndef POSTKEEP_ROUTE_ROUTE_PRIVATE_H
#define POSTKEEP_ROUTE_ROUTE_PRIVATE_H

#include "lib/route/route.h"
#include "lib/table/maps.h"

#define ROUTE_LISTS 4 /* the classes that a list of domains makes: all but ROUTE_DEFAULT */

/* A list that is compiled, or why it could not be. */
struct route_list {
	const char *param;
	struct match_list *list;
	struct buf broken;
};

enum route_maps_of {
	ROUTE_TRANSPORT_MAPS,
	ROUTE_SENDER_RELAYHOST_MAPS,
	ROUTE_SENDER_TRANSPORT_MAPS,
	ROUTE_MAPS, /* how many */
};

struct route_compiled {
	const struct conf *conf;
	struct route_list lists[ROUTE_LISTS]; /* by class */
	struct table_maps maps[ROUTE_MAPS];
	struct match_list *addresses; /* inet_interfaces and proxy_interfaces, as networks of one */
	struct buf addresses_broken;
	struct route_compiled *next;
};

/* What is compiled from CONF, now or before. */
struct route_compiled *route_compiled(const struct conf *conf);

/* transport_maps (transport(5)): what they say for RECIPIENT; ROUTE_FAIL means "nothing". */
enum route_status route_transport_lookup(struct route_compiled *rc,
    const struct mail_address *recipient, struct buf *value, struct buf *why);
/*
 * The tables WHICH that depend on the sender: what they say for SENDER (as in an envelope, empty for
 * the null sender, which is looked up as NULL_KEY). ROUTE_FAIL means "nothing", or "DUNNO".
 */
enum route_status route_sender_lookup(struct route_compiled *rc, enum route_maps_of which,
    struct str sender, struct str null_key, struct buf *value, struct buf *why);

#endif
