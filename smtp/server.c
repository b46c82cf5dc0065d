/*
 * server - see server.h
 */
#include "smtp/server.h"

#include <string.h>
#include <sys/un.h>

#include "smtp/failure.h"

static void
name_server(struct arena *a, struct server *s)
{
	s->peer = arena_printf(a, "%.*s[%.*s]", STR_ARG(s->name), STR_ARG(s->address));
	s->relay = s->port > 0 ? arena_printf(a, "%.*s:%u", STR_ARG(s->peer), s->port) : s->peer;
}

static bool
unix_server(const struct settings *st, struct str path, struct arena *a, struct servers *servers,
    struct failure *f)
{
	struct server *server = servers->list = ARENA_NEW(a, struct server);
	struct sockaddr_un *un = (struct sockaddr_un *)&server->sa;

	if (path.len == 0 || path.len >= sizeof(un->sun_path) || memchr(path.data, 0, path.len)) {
		failure_local(
		    f, a, NULL, "4.3.5", "bad path in next hop \"unix:%.*s\"", STR_ARG(path));
		return false;
	}
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path.data, path.len);
	server->sa_len = sizeof(*un);
	server->name = servers->domain = st->my_name;
	server->address = path;
	servers->n = 1;
	name_server(a, server);
	return true;
}

struct me {
	const struct settings *st;
	struct match_list *own;
};

/* Is the MX host this machine? Asked of its name first, then of its addresses. */
static bool
is_me(void *ctx, struct str host, const struct sockaddr *address)
{
	const struct me *me = ctx;
	struct arena *a;
	struct buf why = {0};
	union dns_address copy = {0};
	enum table_status status;

	if (!address)
		return str_eq_nocase(host, me->st->my_name);
	if (!me->own)
		return false;
	a = arena_new(256);
	memcpy(&copy, address, address->sa_family == AF_INET6 ? sizeof(copy.in6) : sizeof(copy.in));
	status = match_list_has(me->own, STR_EMPTY, dns_address_text(&copy, a), &why);
	arena_free(&a);
	buf_free(&why);
	return status == TABLE_FOUND;
}

static void
take_targets(const struct dns_next_hop *found, struct arena *a, struct servers *servers)
{
	servers->list = arena_array(a, found->n + 1, sizeof(*servers->list));
	servers->n = found->n;
	servers->domain = found->domain;
	for (size_t i = 0; i < found->n; i++) {
		const struct dns_target *t = &found->targets[i];
		struct server *s = &servers->list[i];

		s->target = t;
		s->name = t->host;
		s->address = t->text;
		s->port = t->port;
		s->sa_len = dns_address_len(&t->address);
		memcpy(&s->sa, &t->address, s->sa_len);
		s->best = found->mx && t->preference == found->targets[0].preference;
		name_server(a, s);
	}
}

bool
servers_find(const struct settings *st, struct match_list *own, struct str hop, bool configured,
    struct arena *a, struct servers *servers, struct failure *f)
{
	struct me me = {st, own};
	const struct dns_hop_options options = {
	    .service = arena_cstr(a, st->port),
	    .no_mx = st->lmtp,
	    .configured = configured,
	    .is_me = is_me,
	    .ctx = &me,
	};
	struct dns_next_hop found;

	*servers = (struct servers){.nexthop = hop, .configured = configured};
	if (st->lmtp && str_starts(hop, STR("unix:")))
		return unix_server(st, str_from(hop, 5), a, servers, f);
	if (st->lmtp && str_starts(hop, STR("inet:")))
		hop = str_from(hop, 5);
	dns_next_hop(hop, &options, a, &found);
	if (found.status == DNS_HOP_OK && found.n > 0) {
		take_targets(&found, a, servers);
		return true;
	}
	failure_local(f, a, NULL, found.dsn.len > 0 ? arena_cstr(a, found.dsn) : "4.4.3", "%.*s",
	    STR_ARG(found.why));
	/* What is for good is said of the domain; what is for now, of the way there. */
	f->hard = found.status == DNS_HOP_BOUNCE || found.status == DNS_HOP_MYSELF;
	f->unreachable = !f->hard;
	f->own_mx = found.status == DNS_HOP_MYSELF;
	return false;
}
