/*
 * mx - dns_next_hop(): MX records, hosts, what is this machine
 */
#include <string.h>

#include "lib/dns/internal.h"

#define HOSTS_MAX 100   /* MX records, by preference, that are looked at */
#define TARGETS_MAX 400 /* addresses, before the list is shortened */
#define AT_ONCE 8       /* hosts that are looked up at the same time */
#define ENOUGH 4        /* times the limit: so many addresses leave balance a choice */
#define SMTP_PORT 25

struct host {
	uint16_t preference;
	struct str name;
};

/* One next hop on its way to a list. */
struct hop {
	const struct dns_settings *settings;
	const struct dns_hop_options *options;
	struct arena *arena;
	/*
	 * What is not to stay as long as the delivery: a hundred hosts may have a thousand addresses each. One for the MX
	 * records, one for some hosts at a time.
	 */
	struct arena *records, *some;
	struct dns_next_hop *out;
	struct dns_hop_name name;
	struct host hosts[HOSTS_MAX];
	size_t n_hosts;
	bool mx_authentic;
	struct str mx_owner;
	uint32_t mx_ttl;
	struct dns_target *targets; /* in the arena, room for ROOM */
	size_t n_targets, room;
	bool myself;      /* one of the hosts is this machine */
	bool better_gone; /* hosts of a better preference than this machine's have no address */
	enum dns_status worst; /* of the look-ups without result: what says most */
	struct str why;
};

static void
end(struct hop *h, enum dns_hop_status status, const char *dsn, struct str why)
{
	h->out->status = status;
	h->out->dsn = str_c(dsn);
	h->out->why = why;
}

/* Ends with what a look-up has said. */
static void
end_with(struct hop *h, enum dns_status status, struct str why)
{
	if (!dns_is_final(status))
		end(h, DNS_HOP_DEFER, status == DNS_FILTERED ? "4.7.0" : "4.4.3", why);
	else if (h->options->configured)
		end(h, DNS_HOP_DEFER, "4.4.4", why);
	else
		end(h, DNS_HOP_BOUNCE, "5.4.4", why);
}

/* --- This machine ----------------------------------------------------------------------------------- */

static bool
is_me(const struct hop *h, struct str host, const union dns_address *address)
{
	return h->options->is_me && h->out->port == SMTP_PORT &&
	    h->options->is_me(h->options->ctx, host, address ? &address->sa : NULL);
}

static void
end_myself(struct hop *h)
{
	end(h, DNS_HOP_MYSELF, "5.4.6",
	    arena_printf(h->arena, "mail for %.*s loops back to myself", STR_ARG(h->out->domain)));
}

/* --- Hosts and their addresses ---------------------------------------------------------------------- */

static int
weight(enum dns_status status)
{
	/* What may be otherwise tomorrow says more than what is for good. */
	return status == DNS_OK ? 0 : dns_is_final(status) ? 1 : status == DNS_AGAIN ? 2 : 3;
}

static unsigned
family_of(const union dns_address *address)
{
	return address->sa.sa_family == AF_INET6 ? DNS_IPV6 : DNS_IPV4;
}

static struct dns_target *
next_target(struct hop *h)
{
	if (h->n_targets == h->room) {
		struct dns_target *larger;

		h->room = h->room ? 4 * h->room : 16;
		larger = arena_array(h->arena, h->room, sizeof(*larger));
		if (h->n_targets > 0)
			memcpy(larger, h->targets, h->n_targets * sizeof(*larger));
		h->targets = larger;
	}
	memset(&h->targets[h->n_targets], 0, sizeof(*h->targets));
	return &h->targets[h->n_targets++];
}

static void
add_target(struct hop *h, const struct host *host, struct str canonical,
    const struct dns_answer *answer, size_t i)
{
	struct dns_target *t = next_target(h);

	t->host = host->name;
	t->canonical = canonical;
	t->mx_owner = h->mx_owner;
	t->address = answer->records[i].address;
	if (t->address.sa.sa_family == AF_INET6)
		t->address.in6.sin6_port = htons(h->out->port);
	else
		t->address.in.sin_port = htons(h->out->port);
	t->text = dns_address_text(&t->address, h->arena);
	t->port = h->out->port;
	t->preference = host->preference;
	t->mx_authentic = h->mx_authentic;
	t->address_authentic = answer->authentic;
	t->ttl = answer->ttl < h->mx_ttl ? answer->ttl : h->mx_ttl;
}

/*
 * An MX record with an address where a name should be (RFC 1035 section 3.3.9) is a frequent mistake, and what is meant
 * is plain. There is nothing to look up.
 */
static bool
is_address(const struct hop *h, struct str name, struct dns_answer *answer)
{
	struct dns_record *record = ARENA_NEW(h->some, struct dns_record);

	if (!dns_address_parse(name, &record->address) ||
	    !(h->settings->families & family_of(&record->address)))
		return false;
	*answer =
	    (struct dns_answer){.records = record, .n = 1, .canonical = name, .ttl = INT32_MAX};
	return true;
}

static void
add_host(struct hop *h, const struct host *found)
{
	struct host host = {found->preference, arena_str(h->arena, found->name)};
	struct dns_answer answer;
	struct str canonical;

	if (is_me(h, host.name, NULL)) {
		h->myself = true;
		return;
	}
	if (!is_address(h, host.name, &answer))
		dns_host(host.name, DNS_IPV4 | DNS_IPV6, h->some, &answer);
	if (answer.status != DNS_OK) {
		if (weight(answer.status) >= weight(h->worst)) {
			h->worst = answer.status;
			h->why = arena_str(h->arena, answer.why);
		}
		return;
	}
	canonical = arena_str(h->arena, answer.canonical);
	for (size_t i = 0; i < answer.n; i++) {
		if (is_me(h, host.name, &answer.records[i].address))
			h->myself = true;
		if (h->n_targets < TARGETS_MAX)
			add_target(h, &host, canonical, &answer, i);
	}
}

/*
 * Begins the questions that add_host() will ask of N hosts, so that they are answered at the same time. They
 * stay under way, or their answers in the cache, until then.
 */
static void
add_hosts(struct hop *h, const struct host *hosts, size_t n)
{
	struct dns_asked asked[AT_ONCE][2];
	bool ahead = h->settings->lookup_dns && n > 1;
	struct dns_answer ignored;

	for (size_t i = 0; i < n && ahead; i++)
		for (int six = 0; six < 2; six++)
			if (h->settings->families & (six ? DNS_IPV6 : DNS_IPV4))
				dns_ask(dns_get(), hosts[i].name, six ? DNS_AAAA : DNS_A, h->some,
				    &asked[i][six]);
	for (size_t i = 0; i < n; i++)
		add_host(h, &hosts[i]);
	for (size_t i = 0; i < n && ahead; i++)
		for (int six = 0; six < 2; six++)
			if (h->settings->families & (six ? DNS_IPV6 : DNS_IPV4))
				dns_wait(&asked[i][six], h->some, &ignored);
	arena_reset(h->some);
}

/* Are there addresses enough to choose from? */
static bool
enough(const struct hop *h)
{
	size_t limit = h->settings->hop.address_limit;

	if (limit == 0)
		return h->n_targets == TARGETS_MAX;
	return h->n_targets >= limit * (h->settings->hop.balance ? ENOUGH : 1);
}

/* The hosts of one preference, from FIRST on. Returns how many they are. */
static size_t
add_group(struct hop *h, size_t first)
{
	size_t last = first, kept = h->n_targets;

	while (last < h->n_hosts && h->hosts[last].preference == h->hosts[first].preference)
		last++;
	/* With a predicate all are looked at, since any of them may be this machine. */
	for (size_t i = first; i < last && (h->options->is_me || !enough(h)); i += AT_ONCE)
		add_hosts(h, &h->hosts[i], last - i < AT_ONCE ? last - i : AT_ONCE);
	if (h->myself) {
		h->n_targets = kept;
		h->better_gone = first > 0 && kept == 0;
	}
	return last - first;
}

static void
end_without_targets(struct hop *h)
{
	if (h->better_gone)
		end(h, DNS_HOP_DEFER, "4.4.4",
		    arena_printf(h->arena, "unable to find primary relay for %.*s%s%.*s",
			STR_ARG(h->out->domain), h->why.len ? ": " : "", STR_ARG(h->why)));
	else if (h->myself)
		end_myself(h);
	else if (h->out->mx && dns_is_final(h->worst) && h->settings->hop.defer_if_no_address)
		end(h, DNS_HOP_DEFER, "4.4.4", h->why);
	else
		end_with(h, h->worst, h->why);
}

static void
add_all(struct hop *h)
{
	size_t i = 0;

	while (i < h->n_hosts && !h->myself && !enough(h))
		i += add_group(h, i);
	if (h->n_targets == 0) {
		end_without_targets(h);
		return;
	}
	h->out->targets = h->targets;
	h->out->n = dns_order(h->targets, h->n_targets, &h->settings->hop);
	h->out->status = DNS_HOP_OK;
}

/* The next hop itself is the only host. */
static void
add_itself(struct hop *h)
{
	h->hosts[0].name = h->out->domain;
	h->hosts[0].preference = 0;
	h->n_hosts = 1;
	add_all(h);
}

/* --- MX records ------------------------------------------------------------------------------------- */

/* Sorts in: by preference, those of equal preference in the order they come. */
static void
add_mx(struct hop *h, uint16_t preference, struct str name)
{
	size_t k;

	if (h->n_hosts == HOSTS_MAX && h->hosts[HOSTS_MAX - 1].preference <= preference)
		return;
	if (h->n_hosts < HOSTS_MAX)
		h->n_hosts++;
	for (k = h->n_hosts - 1; k > 0 && h->hosts[k - 1].preference > preference; k--)
		h->hosts[k] = h->hosts[k - 1];
	h->hosts[k].preference = preference;
	h->hosts[k].name = name;
}

static void
use_mx(struct hop *h, struct dns_answer *answer)
{
	size_t null = 0;

	if (h->settings->hop.randomize)
		dns_shuffle(answer->records, answer->n, sizeof(answer->records[0]));
	for (size_t i = 0; i < answer->n; i++) {
		const struct dns_record *r = &answer->records[i];
		struct str name;

		null += str_eq(r->name, STR("."));
		/* Other names are no server's, but could look like something else in a log. */
		if (dns_name_normal(r->name, h->records, &name) && dns_is_host_name(name))
			add_mx(h, r->preference, name);
	}
	h->out->mx = true;
	if (null > 0 && null == answer->n) {
		end(h, DNS_HOP_BOUNCE, "5.1.10",
		    arena_printf(h->arena, "Domain %.*s does not accept mail (nullMX)",
			STR_ARG(h->out->domain)));
	} else if (h->n_hosts == 0) {
		end(h, DNS_HOP_DEFER, "4.4.3",
		    dns_why(h->arena, h->out->domain, DNS_MX, DNS_AGAIN,
			STR("no MX record names a host")));
	} else {
		add_all(h);
	}
}

static void
ask_mx(struct hop *h)
{
	struct dns_answer answer;

	dns_query(h->out->domain, DNS_MX, h->records, &answer);
	if (answer.status == DNS_AGAIN && h->settings->hop.ignore_mx_error)
		answer.status = DNS_NO_DATA;
	h->mx_authentic = answer.authentic;
	h->mx_owner = arena_str(h->arena, answer.canonical);
	h->mx_ttl = answer.ttl;
	switch (answer.status) {
	case DNS_OK:
		use_mx(h, &answer);
		break;
	case DNS_NO_DATA:
		add_itself(h);
		break;
	case DNS_NO_NAME:
	case DNS_AGAIN:
	case DNS_BOGUS:
	case DNS_FILTERED:
		end_with(h, answer.status, arena_str(h->arena, answer.why));
		break;
	}
}

/* --- The whole -------------------------------------------------------------------------------------- */

static void
use_literal(struct hop *h)
{
	unsigned family = family_of(&h->name.address);
	struct dns_record record = {.address = h->name.address};
	struct dns_answer answer = {.records = &record, .n = 1, .canonical = h->out->domain};
	struct host host = {0, h->out->domain};

	h->out->literal = true;
	if (!(h->settings->families & family)) {
		end(h, DNS_HOP_DEFER, "4.4.4",
		    arena_printf(h->arena, "inet_protocols rules out the next hop [%.*s]",
			STR_ARG(h->out->domain)));
	} else if (is_me(h, h->out->domain, &h->name.address)) {
		end_myself(h);
	} else {
		answer.ttl = INT32_MAX;
		add_target(h, &host, h->out->domain, &answer, 0);
		h->out->targets = h->targets;
		h->out->n = 1;
		h->out->status = DNS_HOP_OK;
	}
}

static void
use_host(struct hop *h)
{
	struct buf why = {0};

	if (!dns_ascii(h->name.host, h->arena, &h->out->domain, &why)) {
		end_with(h, DNS_NO_NAME,
		    dns_why(h->arena, h->name.host, DNS_MX, DNS_NO_NAME, buf_view(&why)));
	} else if (h->name.bracketed || h->options->no_mx ||
	    h->settings->level == DNS_LEVEL_DISABLED) {
		h->mx_authentic = true;
		add_itself(h);
	} else {
		ask_mx(h);
	}
	buf_free(&why);
}

void
dns_next_hop(struct str hop, const struct dns_hop_options *options, struct arena *arena,
    struct dns_next_hop *out)
{
	struct hop *h = arena_alloc(arena, sizeof(*h));
	struct buf why = {0};

	memset(out, 0, sizeof(*out));
	h->settings = dns_get()->settings;
	h->options = options;
	h->arena = arena;
	h->records = arena_new(0);
	h->some = arena_new(0);
	h->out = out;
	h->mx_ttl = INT32_MAX;
	if (!dns_hop_parse(hop, options->service, h->settings->services, arena, &h->name, &why)) {
		out->domain = arena_str(arena, hop);
		end(h, DNS_HOP_DEFER, "4.3.5", arena_str(arena, buf_view(&why)));
	} else {
		out->port = h->name.port;
		out->domain = h->name.host;
		if (h->name.literal)
			use_literal(h);
		else
			use_host(h);
	}
	arena_free(&h->records);
	arena_free(&h->some);
	buf_free(&why);
}
