/*
 * attempt - from next hop to next hop and from server to server, until the message is where it belongs
 */
#include "lib/base/log.h"
#include "smtp/client.h"
#include "smtp/open.h"
#include "smtp/secure.h"
#include "smtp/sts.h"

/* The result names the last failure only; the log has that of each server and next hop. */
static void
fail_all(struct delivery *d, const struct failure *f)
{
	log_info("%.*s: %.*s", STR_ARG(d->m->id), STR_ARG(f->text));
	delivery_fail(d, f, false);
}

static bool
was_tried(const struct delivery *d, struct str relay)
{
	for (const struct tried *t = d->tried; t; t = t->before)
		if (str_eq(t->relay, relay))
			return true;
	return false;
}

static void
note_tried(struct delivery *d, struct str relay)
{
	struct tried *t = ARENA_NEW(d->arena, struct tried);

	*t = (struct tried){d->tried, arena_str(d->arena, relay)};
	d->tried = t;
}

/* One transaction over *C, which is gone after. False: the connection was dead. */
static bool
use(struct delivery *d, struct connection **c)
{
	enum transaction_result result;

	if (!content_rewind(&d->content)) {
		cache_put(d->client->cache, c);
		return true;
	}
	result = transaction_run(d, *c);
	if (result != TRANSACTION_DEAD)
		note_tried(d, (*c)->relay);
	if (result == TRANSACTION_DONE) {
		/* At once: goodbyes, and servers for the others, may take long, and this process may end. */
		(void)delivery_tell(d);
		cache_put(d->client->cache, c);
	} else {
		if (result == TRANSACTION_ABORTED)
			d->content.lost = true;
		/* Without a word: an end that is no end must not look like one. */
		connection_free(c);
	}
	return result != TRANSACTION_DEAD;
}

/* What connections are kept by: the next hop, whose TLS policy they have, and who logs in there. */
static struct str
cache_key(const struct delivery *d, struct str hop)
{
	bool by_sender = d->client->passwords && sasl_passwords_by_sender(d->client->passwords);

	return by_sender ? arena_printf(d->arena, "%.*s %.*s", STR_ARG(hop), STR_ARG(d->m->sender))
			 : hop;
}

/* Connections from before, for as long as there are any that live. */
static void
use_old(struct delivery *d, struct str key)
{
	struct connection *c;

	while (!fiber_canceled() && (c = cache_take(d->client->cache, key)))
		if (use(d, &c))
			return;
}

static bool
limit_reached(const struct delivery *d)
{
	const struct settings *st = &d->client->settings;

	return (st->session_limit > 0 && d->sessions >= st->session_limit) ||
	    (st->address_limit > 0 && d->addresses >= st->address_limit);
}

static bool
may_go_on(struct delivery *d)
{
	return d->open > 0 && !fiber_canceled() && content_rewind(&d->content);
}

static void
try_server(struct delivery *d, const struct servers *servers, const struct server *server,
    struct tls_policy policy, const struct sts *sts)
{
	struct connection *c = NULL;
	struct failure f;

	d->addresses++;
	if (secure_dane(d, server, &policy, &f) && sts_apply(d, sts, server, &policy, &f))
		c = open_connection(d, servers, server, &policy, &f);
	if (!c) {
		fail_all(d, &f);
		return;
	}
	delivery_connected(d);
	d->sessions++;
	c->key = arena_str(c->arena, cache_key(d, servers->nexthop));
	(void)use(d, &c);
}

/* Is HOP what the administrator has named, and not the domain of a recipient? */
static bool
is_configured(const struct delivery *d, struct str hop)
{
	for (size_t i = 0; i < d->n; i++) {
		struct str address = d->targets[i].rcpt->address;
		size_t at = str_rchr(address, '@');

		if (at != STR_NPOS && str_eq_nocase(str_from(address, at + 1), hop))
			return false;
	}
	return true;
}

static void
try_nexthop(struct delivery *d, struct str hop)
{
	const struct client *client = d->client;
	struct tls_policy policy;
	struct servers servers;
	struct sts sts;
	struct failure f;

	d->sessions = d->addresses = 0;
	use_old(d, cache_key(d, hop));
	if (!may_go_on(d))
		return;
	if (!servers_find(&client->settings, client->own, hop, is_configured(d, hop), d->arena,
		&servers, &f) ||
	    !secure_policy(d, &servers, &policy, &f) || !sts_find(d, &servers, &policy, &sts, &f)) {
		fail_all(d, &f);
		return;
	}
	for (size_t i = 0; i < servers.n && may_go_on(d) && !limit_reached(d); i++)
		if (!was_tried(d, servers.list[i].relay))
			try_server(d, &servers, &servers.list[i], policy, &sts);
}

void
delivery_run(struct delivery *d)
{
	struct str lists[] = {d->m->nexthop, d->client->settings.fallback}, hop;

	for (size_t i = 0; i < 2; i++)
		while (may_go_on(d) && str_token(&lists[i], ", \t\r\n", &hop))
			try_nexthop(d, hop);
}
