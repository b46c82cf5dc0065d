/*
 * attempt - from next hop to next hop and from server to server, until the message is where it belongs
 */
#include "lib/base/log.h"
#include "smtp/client.h"
#include "smtp/endpoint.h"
#include "smtp/login.h"
#include "smtp/open.h"
#include "smtp/secure.h"
#include "smtp/sts.h"

/*
 * The result tells the last failure; the log those before it, once there is something after it. Connections that
 * are not made are logged at once and as Postfix does, without the message's ID: programs that read logs count
 * these lines.
 */
static void
fail_all(struct delivery *d, struct failure *f)
{
	f->said = str_starts(f->text, STR("connect to "));
	if (f->said)
		log_info("%.*s", STR_ARG(f->text));
	delivery_fail(d, f, false);
}

/* Another server, or next hop, is tried. What failed for many recipients alike is said once. */
static void
say_last_failures(struct delivery *d)
{
	struct str last = STR_EMPTY;

	for (size_t i = 0; i < d->n; i++) {
		struct target *t = &d->targets[i];

		if (!t->open || t->failure.said || t->failure.text.len == 0)
			continue;
		if (!str_eq(t->failure.text, last))
			log_info("%.*s: %.*s", STR_ARG(d->m->id), STR_ARG(t->failure.text));
		last = t->failure.text;
		t->failure.said = true;
	}
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

/* "may", "!secure": what the log says of the server that is tried now. */
static void
note_tls(struct delivery *d, const struct tls_policy *policy, enum tls_feature feature)
{
	struct buf text = {0};

	if (d->client->settings.log_tls)
		tls_feature_status(policy->level, feature, &text);
	d->tls = arena_str(d->arena, buf_view(&text));
	buf_free(&text);
}

/* One transaction over *C, which is gone after. False: the connection was dead. */
static bool
use(struct delivery *d, struct connection **c)
{
	enum transaction_result result;

	delivery_connected(d);
	if (!content_rewind(&d->content)) {
		cache_put(d->client->cache, c);
		return true;
	}
	d->tls = arena_str(d->arena, (*c)->tls_status);
	delivery_step(d, DELIVERY_TALKS);
	result = transaction_run(d, *c);
	delivery_step(d, DELIVERY_SEARCHES);
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

/* Connections of this destination from before, for as long as there are any that live. */
static void
use_old(struct delivery *d, struct str destination)
{
	struct connection *c;

	while (
	    !fiber_canceled() && (c = cache_take(d->client->cache, CACHE_DESTINATION, destination)))
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
	return d->open > 0 && !fiber_canceled() && !d->content.lost;
}

/* What is known of a next hop. */
struct way {
	struct servers servers;
	struct tls_policy policy;
	struct sts sts;
	struct str destination;
	bool kept; /* connections are */
};

/* What is demanded of one of its servers. */
struct demand {
	struct tls_policy policy;
	struct sasl_account account;
	bool login;
	struct str endpoint;
};

/* False: F; nothing is known of it, or mail must not go there. DEMAND is to be cleared in any case. */
static bool
find_demand(struct delivery *d, struct way *way, const struct server *server, struct demand *demand,
    struct tlsrpt *rpt, struct failure *f)
{
	*demand = (struct demand){.policy = way->policy};
	if (!secure_dane(d, server, &demand->policy, rpt, f) ||
	    !sts_apply(d, &way->sts, server, &demand->policy, rpt, f) ||
	    !login_find(d, &way->servers, server, &demand->account, &demand->login, f))
		return false;
	demand->endpoint = endpoint_label(
	    d, &way->servers, server, &demand->policy, demand->login ? &demand->account : NULL);
	return true;
}

static void
demand_clear(struct demand *demand)
{
	sasl_account_clear(&demand->account);
}

/* Kept connections to the same server, as good as a new one, until there is one that lives. */
static void
use_kept(struct delivery *d, const struct way *way, const struct server *server,
    const struct demand *demand)
{
	struct connection *c;

	while (!fiber_canceled() &&
	    (c = cache_take(d->client->cache, CACHE_ENDPOINT, demand->endpoint))) {
		connection_lead_to(c, server, way->servers.nexthop, way->destination);
		if (use(d, &c))
			return;
	}
}

/*
 * Among servers of the first preference one to which there is a connection goes before one to which there is
 * none, and which may be dead.
 */
static void
use_kept_first(struct delivery *d, struct way *way)
{
	const struct server *list = way->servers.list;

	for (size_t i = 0; i < way->servers.n && may_go_on(d) && !cache_empty(d->client->cache) &&
	     server_preference(&list[i]) == server_preference(&list[0]);
	     i++) {
		struct demand demand;
		struct tlsrpt rpt;
		struct failure f;

		if (was_tried(d, list[i].relay))
			continue;
		/* Of what is found now, try_server() tells. */
		tlsrpt_begin(&rpt, d, &way->servers, &list[i], &way->policy);
		if (find_demand(d, way, &list[i], &demand, &rpt, &f))
			use_kept(d, way, &list[i], &demand);
		demand_clear(&demand);
	}
}

static void
use_new(struct delivery *d, const struct way *way, const struct server *server,
    const struct demand *demand, struct tlsrpt *rpt)
{
	const struct sasl_account *account = demand->login ? &demand->account : NULL;
	struct failure f;
	struct connection *c =
	    open_connection(d, &way->servers, server, &demand->policy, account, rpt, &f);

	tlsrpt_end(rpt);
	if (!c) {
		note_tls(d, &demand->policy, rpt->feature);
		fail_all(d, &f);
		return;
	}
	note_tls(d, &demand->policy, c->tls ? TLS_FEATURE_USED : TLS_FEATURE_IN_CLEAR);
	c->tls_status = arena_str(c->arena, d->tls);
	d->sessions++;
	c->once = !way->kept || (c->tls && !demand->policy.connection_reuse);
	c->endpoint = arena_str(c->arena, demand->endpoint);
	connection_lead_to(c, server, way->servers.nexthop, way->destination);
	(void)use(d, &c);
}

static void
try_server(struct delivery *d, struct way *way, const struct server *server)
{
	struct demand demand;
	struct tlsrpt rpt;
	struct failure f;

	say_last_failures(d);
	d->addresses++;
	tlsrpt_begin(&rpt, d, &way->servers, server, &way->policy);
	if (!find_demand(d, way, server, &demand, &rpt, &f)) {
		tlsrpt_end(&rpt);
		note_tls(d, &demand.policy, rpt.feature);
		fail_all(d, &f);
	} else {
		if (way->kept)
			use_kept(d, way, server, &demand);
		if (may_go_on(d) && !was_tried(d, server->relay))
			use_new(d, way, server, &demand, &rpt);
	}
	demand_clear(&demand);
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

#define HOP_SEPARATORS ", \t\r\n"

static bool
has_hop(struct str list, struct str hop)
{
	struct str item;

	while (str_token(&list, HOP_SEPARATORS, &item))
		if (str_eq_nocase(item, hop))
			return true;
	return false;
}

static bool
any_hop(struct str list)
{
	struct str item;

	return str_token(&list, HOP_SEPARATORS, &item);
}

/*
 * Name servers have said no for good, or that HOP is this machine. A relay that main.cf names is a mistake there, for
 * which nobody's mail comes back; and where there is another next hop, what is not found here may be found by that one.
 */
static void
soften(const struct delivery *d, struct str hop, struct failure *f)
{
	const struct settings *st = &d->client->settings;
	const char *param = has_hop(st->fallback, hop) ? "smtp_fallback_relay"
	    : has_hop(st->relayhost, hop)              ? "relayhost"
						       : NULL;

	if (!f->hard)
		return;
	if (param) {
		log_warning("%s: %.*s: %.*s", param, STR_ARG(hop), STR_ARG(f->text));
		f->dsn = STR("4.3.5");
		f->hard = f->own_mx = false;
		f->unreachable = true;
	} else if (d->more_hops && str_eq(f->dsn, STR("5.4.4"))) {
		f->dsn = STR("4.4.4");
		f->hard = false;
	}
}

static void
try_nexthop(struct delivery *d, struct str hop)
{
	const struct client *client = d->client;
	struct way way = {.destination = endpoint_destination(client, hop)};
	struct failure f;

	say_last_failures(d);
	d->sessions = d->addresses = 0;
	d->tls = STR_EMPTY;
	use_old(d, way.destination);
	if (!may_go_on(d))
		return;
	if (!servers_find(&client->settings, client->own, hop, is_configured(d, hop), d->arena,
		&way.servers, &f)) {
		soften(d, hop, &f);
		fail_all(d, &f);
		return;
	}
	if (!secure_policy(d, &way.servers, &way.policy, &f) ||
	    !sts_find(d, &way.servers, &way.policy, &way.sts, &f)) {
		fail_all(d, &f);
		return;
	}
	way.kept = endpoint_kept(client, &way.servers);
	if (way.kept)
		use_kept_first(d, &way);
	for (size_t i = 0; i < way.servers.n && may_go_on(d) && !limit_reached(d); i++)
		if (!was_tried(d, way.servers.list[i].relay))
			try_server(d, &way, &way.servers.list[i]);
}

void
delivery_run(struct delivery *d)
{
	struct str lists[] = {d->m->nexthop, d->client->settings.fallback}, hop;

	for (size_t i = 0; i < 2; i++)
		while (may_go_on(d) && str_token(&lists[i], HOP_SEPARATORS, &hop)) {
			d->more_hops = any_hop(lists[i]) || (i == 0 && any_hop(lists[1]));
			try_nexthop(d, hop);
		}
}
