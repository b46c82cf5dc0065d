/*
 * server - the addresses to try for a next hop, in order
 */
#ifndef POSTKEEP_SMTP_CLIENT_SERVER_H
#define POSTKEEP_SMTP_CLIENT_SERVER_H

#include <stdbool.h>
#include <sys/socket.h>

#include "lib/base/arena.h"
#include "lib/base/str.h"
#include "smtp/nexthop.h"

struct failure;

struct server {
	struct str name;    /* of the host, or its address as it was given */
	struct str address; /* numeric; of a UNIX socket its path */
	unsigned port;      /* 0: a UNIX socket */
	struct sockaddr_storage sa;
	socklen_t sa_len;
	bool best;        /* one of the most preferred MX hosts */
	struct str peer;  /* "mx.example.org[192.0.2.1]" */
	struct str relay; /* the same with ":25" */
};

struct servers {
	struct server *list;
	size_t n;
};

/* All in A. False: F says why there is none. Waits. */
bool servers_find(const struct settings *st, const struct nexthop *hop, struct arena *a,
    struct servers *servers, struct failure *f);

#endif
