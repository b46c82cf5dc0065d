/*
 * resolver - one question: servers, rounds, CNAME chains, DNSSEC
 *
 * The servers are asked in their order (or in turns, "options rotate"), one that was silent a moment ago
 * last. One that answers SERVFAIL, REFUSED or rubbish is passed over; those that did not answer at all are
 * asked once more per round. "No" is taken from the first server that says it properly.
 *
 * With DNSSEC, a resolver says SERVFAIL for a forged answer as for a broken server; it gives the unverified
 * answer to who sets CD. That it has one says that the validation failed: DNS_BOGUS.
 */
#include <ares.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/dns/internal.h"

#define SILENT_MS 30000 /* how long a server that did not answer is asked last */
#define TTL_POSITIVE_MAX 86400
#define TTL_NEGATIVE_MAX 10800 /* RFC 2308 section 5 */
#define TTL_FAILED 5           /* RFC 9520: at least a second, at most five minutes */

struct server {
	struct dns_server_name name;
	struct dns_channel *channel;
	int64_t silent_until; /* fiber_now() */
};

struct dns_resolver {
	struct server servers[DNS_SERVERS_MAX];
	size_t n, next;
	bool rotate, dnssec, trusted;
	unsigned rounds;
};

struct dns_resolver *
dns_resolver_new(const struct dns_settings *settings, struct buf *why)
{
	struct dns_resolver *r;

	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
		buf_puts(why, "c-ares cannot be used");
		return NULL;
	}
	r = MEM_NEW(struct dns_resolver);
	r->rotate = settings->resolv.rotate;
	r->dnssec = settings->level == DNS_LEVEL_DNSSEC;
	r->trusted = r->dnssec && settings->trusted;
	r->rounds = (unsigned)settings->resolv.attempts;
	for (r->n = 0; r->n < settings->resolv.n_servers; r->n++) {
		r->servers[r->n].name = settings->resolv.servers[r->n];
		r->servers[r->n].channel = dns_channel_new(
		    &settings->resolv.servers[r->n], settings->resolv.timeout * 1000, why);
		if (!r->servers[r->n].channel) {
			dns_resolver_free(&r);
			return NULL;
		}
	}
	return r;
}

void
dns_resolver_free(struct dns_resolver **resolver)
{
	if (!*resolver)
		return;
	for (size_t i = 0; i < (*resolver)->n; i++)
		dns_channel_free(&(*resolver)->servers[i].channel);
	free(*resolver);
	*resolver = NULL;
}

/* What is known while one question is asked of one server after the other. */
struct attempt {
	struct dns_resolver *resolver;
	struct str name;
	enum dns_type type;
	struct arena *arena;
	struct buf packet;
	struct buf detail; /* what each server said */
	unsigned round;
	bool over[DNS_SERVERS_MAX];
	bool bogus;
	struct dns_reply reply;
};

static void
note(struct attempt *a, const struct server *server, const char *what)
{
	struct buf line = {0};

	buf_printf(&line, "%.*s: %s", STR_ARG(server->name.text), what);
	if (str_find(buf_view(&a->detail), buf_view(&line)) == STR_NPOS) {
		buf_puts(&a->detail, a->detail.len > 0 ? ", " : "");
		buf_str(&a->detail, buf_view(&line));
	}
	buf_free(&line);
}

/* The server says SERVFAIL. Has it an answer when it need not validate? */
static bool
has_unvalidated(struct attempt *a, const struct server *server)
{
	struct arena *scratch = arena_new(0);
	struct dns_reply reply;
	const char *why;
	bool has = false;

	if (dns_channel_ask(server->channel, a->name, a->type,
		DNS_ASK_AD | DNS_ASK_CD | DNS_ASK_EDNS, &a->packet, &why)) {
		dns_packet_read(buf_view(&a->packet), a->name, a->type, scratch, &reply);
		has = reply.kind != DNS_REPLY_FAILED;
	}
	arena_free(&scratch);
	return has;
}

/* True: the question is answered, for good or (bogus) for bad. */
static bool
ask_server(struct attempt *a, struct server *server)
{
	struct dns_resolver *r = a->resolver;
	unsigned flags = r->dnssec ? DNS_ASK_AD : 0;
	const char *why = NULL;

	/* Some old servers and their firewalls are silent on EDNS. */
	if (a->round == 0)
		flags |= DNS_ASK_EDNS;
	if (!dns_channel_ask(server->channel, a->name, a->type, flags, &a->packet, &why)) {
		server->silent_until = fiber_now() + SILENT_MS;
		note(a, server, why);
		return false;
	}
	server->silent_until = 0;
	a->over[server - r->servers] = true;
	dns_packet_read(buf_view(&a->packet), a->name, a->type, a->arena, &a->reply);
	if (a->reply.kind != DNS_REPLY_FAILED)
		return true;
	if (r->dnssec && a->reply.rcode == DNS_RCODE_SERVFAIL && has_unvalidated(a, server)) {
		a->bogus = true;
		note(a, server, "the answer does not pass its checks");
		return true;
	}
	note(a, server, a->reply.why);
	return false;
}

/* One round over the servers; first those that were not silent of late. */
static bool
ask_all(struct attempt *a)
{
	struct dns_resolver *r = a->resolver;
	size_t begin = r->rotate ? r->next++ % r->n : 0;
	bool silent[DNS_SERVERS_MAX];

	for (size_t i = 0; i < r->n; i++)
		silent[i] = r->servers[i].silent_until > fiber_now();
	for (int late = 0; late < 2; late++)
		for (size_t i = 0; i < r->n; i++) {
			size_t k = (begin + i) % r->n;

			if (silent[k] == (late == 1) && !a->over[k] &&
			    ask_server(a, &r->servers[k]))
				return true;
		}
	return false;
}

static bool
ask(struct attempt *a)
{
	memset(a->over, 0, sizeof(a->over));
	buf_reset(&a->detail);
	for (a->round = 0; a->round < a->resolver->rounds; a->round++)
		if (ask_all(a))
			return !a->bogus;
	return false;
}

/* --- The answer ------------------------------------------------------------------------------------- */

struct str
dns_why(struct arena *arena, struct str name, enum dns_type type, enum dns_status status,
    struct str detail)
{
	return arena_printf(arena,
	    "Host or domain name not found. Name service error for name=%.*s type=%s: %s%s%.*s%s",
	    STR_ARG(name), dns_type_name(type), dns_status_text(status), detail.len ? " (" : "",
	    STR_ARG(detail), detail.len ? ")" : "");
}

static uint32_t
bounded(uint32_t ttl, uint32_t max)
{
	return ttl < max ? ttl : max;
}

static void
give_records(const struct dns_reply *reply, struct dns_answer *out)
{
	out->status = DNS_OK;
	out->records = reply->records;
	out->n = reply->n;
	out->ttl = bounded(out->ttl, TTL_POSITIVE_MAX);
	for (size_t i = 0; i < out->n; i++)
		out->records[i].ttl = bounded(out->records[i].ttl, TTL_POSITIVE_MAX);
}

static void
give_no(const struct attempt *a, struct str name, enum dns_status status, struct dns_answer *out)
{
	out->status = status;
	out->ttl = bounded(out->ttl, TTL_NEGATIVE_MAX);
	out->why = dns_why(a->arena, name, a->type, status, STR_EMPTY);
}

static void
give_failure(const struct attempt *a, struct str name, struct str detail, struct dns_answer *out)
{
	out->status = a->bogus ? DNS_BOGUS : DNS_AGAIN;
	out->authentic = false;
	out->ttl = TTL_FAILED;
	out->why = dns_why(a->arena, name, a->type, out->status, detail);
}

/* What the last reply says. False: it is an alias, and its target is to be asked for. */
static bool
give(struct attempt *a, struct str name, unsigned *aliases, struct dns_answer *out)
{
	const struct dns_reply *reply = &a->reply;

	out->canonical = reply->canonical;
	out->ttl = bounded(reply->ttl, out->ttl);
	out->authentic = out->authentic && reply->ad;
	*aliases += reply->aliases;
	switch (reply->kind) {
	case DNS_REPLY_RECORDS:
		give_records(reply, out);
		return true;
	case DNS_REPLY_NO_NAME:
		give_no(a, name, DNS_NO_NAME, out);
		return true;
	case DNS_REPLY_NO_DATA:
		give_no(a, name, DNS_NO_DATA, out);
		return true;
	case DNS_REPLY_ALIAS:
		if (*aliases <= DNS_CHAIN_MAX)
			return false;
		give_failure(a, name, STR("too long a chain of CNAME records, or a loop"), out);
		return true;
	case DNS_REPLY_FAILED:
		break;
	}
	give_failure(a, name, str_c(reply->why), out);
	return true;
}

void
dns_resolve(struct dns_resolver *resolver, struct str name, enum dns_type type, struct arena *arena,
    struct dns_answer *out)
{
	struct attempt a = {.resolver = resolver, .name = name, .type = type, .arena = arena};
	unsigned aliases = 0;

	memset(out, 0, sizeof(*out));
	out->canonical = name;
	out->ttl = UINT32_MAX;
	out->authentic = resolver->trusted;
	for (;;) {
		if (!ask(&a)) {
			give_failure(&a, name, buf_view(&a.detail), out);
			break;
		}
		if (give(&a, name, &aliases, out))
			break;
		/* An alias of a server that does not look further itself. */
		if (!dns_name_normal(out->canonical, arena, &a.name)) {
			give_failure(&a, name, STR("a CNAME record that leads to no name"), out);
			break;
		}
	}
	buf_free(&a.packet);
	buf_free(&a.detail);
}
