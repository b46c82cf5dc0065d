/*
 * server - the addresses to try for a next hop, in order
 *
 * A next hop is what dns_next_hop() takes (lib/dns/mx.h), or with LMTP "unix:path", or "inet:" before one.
 */
#ifndef POSTKEEP_SMTP_CLIENT_SERVER_H
#define POSTKEEP_SMTP_CLIENT_SERVER_H

#include <stdbool.h>
#include <sys/socket.h>

#include "lib/base/arena.h"
#include "lib/base/str.h"
#include "lib/dns/mx.h"
#include "lib/table/table.h"
#include "smtp/settings.h"

struct failure;

struct server {
	struct str name;    /* of the host, or its address as it was given */
	struct str address; /* numeric; of a UNIX socket its path */
	unsigned port;      /* 0: a UNIX socket */
	struct sockaddr_storage sa;
	socklen_t sa_len;
	bool best;                       /* one of the most preferred MX hosts */
	struct str peer;                 /* "mx.example.org[192.0.2.1]" */
	struct str relay;                /* the same with ":25" */
	const struct dns_target *target; /* NULL: a UNIX socket */
};

struct servers {
	struct str nexthop; /* as it was given */
	struct str domain;  /* of the next hop, without brackets and port */
	bool configured;    /* the administrator has named it */
	struct server *list;
	size_t n;
};

/* Lower ones are tried before; 0 where there are no MX records. */
static inline unsigned
server_preference(const struct server *server)
{
	return server->target ? server->target->preference : 0;
}

/*
 * All in A. CONFIGURED: the administrator has named the next hop, it is no recipient's domain. OWN: the
 * addresses of this machine (NULL: none are known). False: F says why there is no server. Waits.
 */
bool servers_find(const struct settings *st, struct match_list *own, struct str hop,
    bool configured, struct arena *a, struct servers *servers, struct failure *f);

#endif
