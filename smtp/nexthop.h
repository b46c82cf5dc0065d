/*
 * nexthop - where mail is to go next, as transport tables and relayhost write it
 *
 *	host            the MX hosts of a name, or the host itself if there are none
 *	[host]          the host itself
 *	host:port, [host]:port
 *	[192.0.2.1], [2001:db8::1], [IPv6:2001:db8::1]
 *	unix:path, inet:host:port       LMTP
 */
#ifndef POSTKEEP_SMTP_CLIENT_NEXTHOP_H
#define POSTKEEP_SMTP_CLIENT_NEXTHOP_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "smtp/settings.h"

struct nexthop {
	struct str text; /* all of it */
	struct str host; /* without brackets; of unix: the path */
	unsigned port;
	bool default_port; /* none was given */
	bool mx;           /* MX records count */
	bool unix_socket;
};

/* Views of TEXT. False with WHY for what makes no sense. */
bool nexthop_parse(
    const struct settings *st, struct str text, struct nexthop *hop, struct buf *why);

#endif
