/*
 * attempt - from next hop to next hop and from server to server, until the message is where it belongs
 */
#include <errno.h>
#include <string.h>

#include "lib/base/log.h"
#include "smtp/delivery.h"

/* Before another server is tried: the log says what was wrong with the last one. */
static void
note_failure(const struct delivery *d, const struct failure *f)
{
	log_info("%.*s: %.*s", STR_ARG(d->m->id), STR_ARG(f->text));
}

static bool
finished(const struct delivery *d)
{
	return d->open == 0 || d->content.lost;
}

static void
fail_all(struct delivery *d, const struct failure *f)
{
	note_failure(d, f);
	delivery_fail(d, f, false);
}

/* A connection that can carry a message; NULL: all recipients know why not. */
static struct connection *
open_connection(struct delivery *d, const struct nexthop *hop, const struct server *server)
{
	const struct settings *st = &d->client->settings;
	struct stream *stream = d->client->connect(st, server);
	struct connection *c;
	struct failure f;
	int error = errno;

	if (!stream) {
		failure_local(&f, d->arena, NULL, "4.4.1", "connect to %.*s: %s",
		    STR_ARG(server->relay), strerror(error));
		f.unreachable = true;
		fail_all(d, &f);
		return NULL;
	}
	d->sessions++;
	c = connection_new(st, stream, server);
	c->nexthop = arena_str(c->arena, hop->text);
	c->key = arena_str(c->arena, c->relay);
	if (connection_greet(c, d->arena, &f))
		return c;
	f.unreachable = !f.hard;
	fail_all(d, &f);
	connection_quit(&c);
	return NULL;
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
		cache_put(d->client->cache, c);
	} else {
		if (result == TRANSACTION_ABORTED)
			d->content.lost = true;
		/* Without a word: an end that is no end must not look like one. */
		connection_free(c);
	}
	return result != TRANSACTION_DEAD;
}

/* Connections from before, for as long as there are any that live. */
static bool
use_old(struct delivery *d, struct str nexthop, struct str key)
{
	struct connection *c;

	while ((c = cache_take(d->client->cache, nexthop, key)))
		if (use(d, &c))
			return true;
	return false;
}

static bool
limit_reached(const struct delivery *d)
{
	const struct settings *st = &d->client->settings;

	return (st->session_limit > 0 && d->sessions >= st->session_limit) ||
	    (st->address_limit > 0 && d->addresses >= st->address_limit);
}

static void
try_servers(struct delivery *d, const struct nexthop *hop, const struct servers *servers)
{
	for (size_t i = 0; i < servers->n && !finished(d) && !limit_reached(d); i++) {
		struct connection *c;

		if (was_tried(d, servers->list[i].relay))
			continue;
		d->addresses++;
		c = open_connection(d, hop, &servers->list[i]);
		if (c)
			(void)use(d, &c);
		if (!content_rewind(&d->content))
			break;
	}
}

static void
try_nexthop(struct delivery *d, struct str text)
{
	const struct settings *st = &d->client->settings;
	struct servers servers;
	struct buf why = {0};
	struct nexthop hop;
	struct failure f;

	d->sessions = d->addresses = 0;
	if (use_old(d, text, STR_EMPTY) && (finished(d) || !content_rewind(&d->content))) {
		/* That was all. */
	} else if (!nexthop_parse(st, text, &hop, &why)) {
		failure_local(&f, d->arena, NULL, "4.3.5", "%s", buf_cstr(&why));
		fail_all(d, &f);
	} else if (!servers_find(st, &hop, d->arena, &servers, &f)) {
		fail_all(d, &f);
	} else {
		try_servers(d, &hop, &servers);
	}
	buf_free(&why);
}

void
delivery_run(struct delivery *d)
{
	struct str lists[] = {d->m->nexthop, d->client->settings.fallback}, hop;

	for (size_t i = 0; i < 2; i++)
		while (!finished(d) && content_rewind(&d->content) &&
		    str_token(&lists[i], ", \t\r\n", &hop))
			try_nexthop(d, hop);
}
