/*
 * route - address classes, transport and next hop
 *
 * Pure: a snapshot of the configuration plus table look-ups. smtpd asks whether to take a recipient;
 * qmgr asks where a recipient goes, again at every activation.
 *
 * Classes are Postfix's, in its order of precedence: local (mydestination, inet_interfaces'
 * addresses as literals), virtual alias, virtual mailbox, relay, default.
 */
#ifndef POSTKEEP_ROUTE_ROUTE_H
#define POSTKEEP_ROUTE_ROUTE_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/conf/conf.h"
#include "lib/mail/address.h"
#include "lib/table/table.h"

enum route_class {
	ROUTE_LOCAL,
	ROUTE_VIRTUAL_ALIAS,
	ROUTE_VIRTUAL_MAILBOX,
	ROUTE_RELAY,
	ROUTE_DEFAULT,
};

enum route_status {
	ROUTE_OK,
	ROUTE_DEFER, /* a look-up failed: 451, try again; WHY says which table */
	ROUTE_FAIL,  /* a complete, positive no; WHY has "5.x.x text" */
};

const char *route_class_name(enum route_class class);

/*
 * The lists and tables of a snapshot are compiled at its first use and kept. A program that will be
 * confined calls this before: it reads the list files and asks the system for its addresses; CONFINED
 * sends look-ups in tables through proxymap from then on. False: WHY says what is wrong (the rest
 * works, and what depends on it is deferred).
 */
bool route_prepare(const struct conf *conf, bool confined, struct buf *why);
/* Before a snapshot is freed: lets go of what was compiled from it. */
void route_forget(const struct conf *conf);

/*
 * The class of DOMAIN (as in an address; empty counts as local). *AMBIGUOUS, unless NULL, is set when
 * it stands in a second class too, with both places named in WHY: an unknown user then gets 451.
 * ROUTE_DEFER when a list could not be read.
 */
enum route_status route_class_of(const struct conf *conf, struct str domain,
    enum route_class *class, bool *ambiguous, struct buf *why);

/*
 * The addresses in inet_interfaces and proxy_interfaces, as networks of one, for who needs no more of this
 * library; the caller frees the list. NULL with WHY when one has no address. May ask the resolver.
 */
struct match_list *route_own_addresses(const struct conf *conf, struct buf *why);
/*
 * When inet_interfaces names just one address of FAMILY, and that is not the loopback's or a link's: it, to OUT. A
 * machine with several addresses is then known by this one, as client too. May ask the resolver.
 */
bool route_only_address(const struct conf *conf, int family, struct buf *out);
/* Is DOMAIN a literal ("[192.0.2.1]", "[IPv6:…]") and one of ADDRESSES? */
enum table_status route_own_literal(
    struct match_list *addresses, struct str domain, struct buf *why);

struct route {
	struct str transport; /* service name in master.cf: "local", "smtp", "error", … */
	struct str nexthop;   /* as Postfix: recipient domain, relayhosts, text for error: … */
	/*
	 * What the scheduler groups by: the user for local, else the next hop, in lower case unless
	 * it is a path. The same next hop in the same words is the same destination, whoever sends.
	 */
	struct str destination;
	enum route_class class;
};

/*
 * Where mail from SENDER (as in the envelope, empty for the null sender) for RECIPIENT goes now. Views
 * live in A or in the snapshot. The order is Postfix's: transport_maps; then for default domains
 * sender_dependent_default_transport_maps, default_transport, for relay domains relay_transport; then,
 * where none of them names a next hop, sender_dependent_relayhost_maps, relayhost, the domain. A next
 * hop of several hosts ("[a]:587, [b]") is one string and the transport's to understand.
 */
enum route_status route_resolve(const struct conf *conf, struct str sender,
    const struct mail_address *recipient, struct arena *a, struct route *route, struct buf *why);

/*
 * Where RECIPIENT goes when VALUE ("transport" or "transport:nexthop") is to decide, and not what
 * route_resolve() says. Where VALUE has no next hop it is NEXTHOP. The class is ROUTE_DEFAULT. False: VALUE has no
 * transport.
 */
bool route_via(const struct conf *conf, struct str value, struct str nexthop,
    const struct mail_address *recipient, struct arena *a, struct route *route);

/*
 * For local recipients: the names under which to look the user up, in order: the whole local part,
 * then without its extension; "postmaster" (any case) that no user has means root. In lower case.
 */
struct route_local_keys {
	struct str keys[3];
	size_t n;
};
void route_local_keys(const struct conf *conf, const struct mail_address *recipient,
    struct arena *a, struct route_local_keys *keys);

#endif
