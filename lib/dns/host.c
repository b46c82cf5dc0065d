/*
 * host - the addresses of a host, as smtp_host_lookup says
 *
 * "dns": A and AAAA records, the search list as smtp_dns_resolver_options allows it (by itself it allows
 * none). "native": what the C library would do after nsswitch.conf: the hosts file, and DNS with the search
 * list; it is asked for what is not found in DNS, or alone where DNS is switched off. "localhost" and names
 * below it are this machine (RFC 6761 section 6.3).
 */
#include <arpa/inet.h>
#include <string.h>

#include "lib/dns/internal.h"

/* --- A name in DNS ---------------------------------------------------------------------------------- */

/* How hosts are looked up. */
struct way {
	struct dns *dns;
	unsigned families;
	bool native; /* as the system does it: nothing is filtered, and its search list holds */
};

/* Both families at once. */
static void
ask_families(
    const struct way *way, struct str name, struct arena *arena, struct dns_answer answers[2])
{
	struct dns_asked asked[2];

	for (int i = 0; i < 2; i++)
		if (way->families & (i == 0 ? DNS_IPV6 : DNS_IPV4))
			dns_ask(way->dns, name, i == 0 ? DNS_AAAA : DNS_A, arena, &asked[i]);
	for (int i = 0; i < 2; i++) {
		answers[i].status = DNS_NO_DATA;
		if (!(way->families & (i == 0 ? DNS_IPV6 : DNS_IPV4)))
			continue;
		dns_wait(&asked[i], arena, &answers[i]);
		if (!way->native)
			dns_filter(way->dns, name, i == 0 ? DNS_AAAA : DNS_A, arena, &answers[i]);
	}
}

/* What tells more about a host without addresses: larger. */
static int
weight(enum dns_status status)
{
	switch (status) {
	case DNS_BOGUS:
		return 5;
	case DNS_AGAIN:
		return 4;
	case DNS_FILTERED:
		return 3;
	case DNS_NO_NAME:
		return 2;
	case DNS_NO_DATA:
		return 1;
	case DNS_OK:
		break;
	}
	return 0;
}

/* Both answers' records, one after the other. */
static void
join(const struct dns_answer answers[2], struct arena *arena, struct dns_answer *out)
{
	size_t n = answers[0].n + answers[1].n;

	*out = answers[0];
	out->records = arena_array(arena, n, sizeof(*out->records));
	for (size_t i = 0; i < answers[0].n; i++)
		out->records[i] = answers[0].records[i];
	for (size_t i = 0; i < answers[1].n; i++)
		out->records[answers[0].n + i] = answers[1].records[i];
	out->n = n;
	out->authentic = answers[0].authentic && answers[1].authentic;
	if (answers[1].ttl < out->ttl)
		out->ttl = answers[1].ttl;
}

static void
lookup(const struct way *way, struct str name, struct arena *arena, struct dns_answer *out)
{
	struct dns_answer answers[2] = {0};
	unsigned last = way->families & DNS_IPV4 ? 1 : 0;

	ask_families(way, name, arena, answers);
	if (answers[0].status == DNS_OK && answers[1].status == DNS_OK)
		join(answers, arena, out);
	else if (answers[0].status == DNS_OK || answers[1].status == DNS_OK)
		*out = answers[answers[0].status == DNS_OK ? 0 : 1];
	else
		*out = answers[weight(answers[1 - last].status) > weight(answers[last].status)
			? 1 - last
			: last];
}

/* --- The search list: resolv.conf(5), ndots ---------------------------------------------------------- */

static size_t
count_dots(struct str name)
{
	size_t n = 0;

	for (size_t i = 0; i < name.len; i++)
		n += name.data[i] == '.';
	return n;
}

/* Tries NAME; true when there is no need to try another one. The best failure stays in OUT. */
static bool
attempt(
    const struct way *way, struct str name, struct arena *arena, bool first, struct dns_answer *out)
{
	struct dns_answer answer;

	lookup(way, name, arena, &answer);
	if (first || answer.status == DNS_OK || weight(answer.status) > weight(out->status))
		*out = answer;
	return answer.status == DNS_OK || !dns_is_final(answer.status);
}

static void
search(const struct way *way, struct str name, struct arena *arena, struct dns_answer *out)
{
	const struct dns_settings *settings = way->dns->settings;
	const struct dns_resolv *resolv = &settings->resolv;
	bool defnames = way->native || settings->defnames;
	bool dnsrch = way->native || settings->dnsrch;
	size_t dots = count_dots(name);
	bool absolute = name.len > 0 && name.data[name.len - 1] == '.';
	bool as_it_is = absolute || dots >= (size_t)resolv->ndots, first = true;
	size_t n = dnsrch ? resolv->n_search : resolv->n_search > 0 ? 1 : 0;

	if (absolute || !(dots > 0 ? dnsrch : defnames || dnsrch))
		n = 0;
	if (as_it_is || n == 0) {
		if (attempt(way, name, arena, first, out))
			return;
		first = false;
	}
	for (size_t i = 0; i < n; i++) {
		struct str longer =
		    arena_printf(arena, "%.*s.%.*s", STR_ARG(name), STR_ARG(resolv->search[i]));

		if (attempt(way, longer, arena, first, out))
			return;
		first = false;
	}
	if (!as_it_is && n > 0)
		attempt(way, name, arena, first, out);
}

/* --- The system's way -------------------------------------------------------------------------------- */

static bool
in_files(struct dns *dns, struct str name, unsigned families, struct arena *arena,
    struct dns_answer *out)
{
	memset(out, 0, sizeof(*out));
	out->canonical = name;
	out->ttl = INT32_MAX;
	out->records = dns_hosts_find(dns->settings->hosts, name, families, arena, &out->n);
	if (out->n == 0) {
		out->status = DNS_NO_NAME;
		out->why = dns_why(
		    arena, name, families & DNS_IPV4 ? DNS_A : DNS_AAAA, DNS_NO_NAME, STR_EMPTY);
	}
	return out->n > 0;
}

static bool
is_localhost(struct str name)
{
	return str_eq(name, STR("localhost")) || str_ends_nocase(name, STR(".localhost"));
}

static void
this_machine(struct str name, unsigned families, struct arena *arena, struct dns_answer *out)
{
	memset(out, 0, sizeof(*out));
	out->canonical = name;
	out->records = arena_array(arena, 2, sizeof(*out->records));
	out->ttl = INT32_MAX;
	if (families & DNS_IPV6) {
		struct dns_record *r = &out->records[out->n++];

		r->type = DNS_AAAA;
		r->address.sa.sa_family = AF_INET6;
		r->address.in6.sin6_addr = in6addr_loopback;
	}
	if (families & DNS_IPV4) {
		struct dns_record *r = &out->records[out->n++];

		r->type = DNS_A;
		r->address.sa.sa_family = AF_INET;
		r->address.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	}
}

static void
native(struct dns *dns, struct str name, unsigned families, struct arena *arena,
    struct dns_answer *out)
{
	const struct dns_settings *settings = dns->settings;
	const struct way way = {dns, families, true};
	struct dns_answer answer;

	for (int i = 0; i < DNS_WAYS && settings->native[i] != DNS_WAY_NONE; i++) {
		if (settings->native[i] == DNS_WAY_FILES)
			in_files(dns, name, families, arena, &answer);
		else
			search(&way, name, arena, &answer);
		if (i == 0 || answer.status == DNS_OK ||
		    weight(answer.status) > weight(out->status))
			*out = answer;
		if (out->status == DNS_OK)
			return;
	}
}

void
dns_host(struct str name, unsigned families, struct arena *arena, struct dns_answer *out)
{
	struct dns *dns = dns_get();
	const struct dns_settings *settings = dns->settings;
	const struct way by_dns = {dns, families & settings->families, false};
	struct buf why = {0};
	struct str ascii;

	memset(out, 0, sizeof(*out));
	families &= settings->families;
	if (families == 0) {
		out->status = DNS_NO_DATA;
		out->canonical = name;
		out->why = arena_printf(arena,
		    "%.*s: inet_protocols rules out the addresses that it could have",
		    STR_ARG(name));
	} else if (!dns_ascii(name, arena, &ascii, &why)) {
		out->status = DNS_NO_NAME;
		out->canonical = name;
		out->why = dns_why(arena, name, DNS_A, DNS_NO_NAME, buf_view(&why));
	} else if (is_localhost(ascii)) {
		if (!in_files(dns, ascii, families, arena, out))
			this_machine(ascii, families, arena, out);
	} else {
		if (settings->lookup_dns)
			search(&by_dns, ascii, arena, out);
		if (!settings->lookup_dns || (settings->lookup_native && dns_is_final(out->status)))
			native(dns, ascii, families, arena, out);
	}
	buf_free(&why);
}
