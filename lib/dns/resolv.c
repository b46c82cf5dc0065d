/*
 * resolv - resolv.conf and nsswitch.conf as text
 *
 * Written by the administrator or by programs in many dialects: what is not understood is passed over, as the
 * C library does.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/dns/internal.h"

#define NDOTS_MAX 15 /* the bounds of resolv.conf(5) */
#define TIMEOUT_DEFAULT 5
#define TIMEOUT_MAX 30
#define ATTEMPTS_DEFAULT 2
#define ATTEMPTS_MAX 5

static const char blanks[] = " \t\r";

/* --- Server names ----------------------------------------------------------------------------------- */

static void
set_port(union dns_address *address, uint16_t port)
{
	if (address->sa.sa_family == AF_INET6)
		address->in6.sin6_port = htons(port);
	else
		address->in.sin_port = htons(port);
}

/* "fe80::1%eth0": a router names itself so to those next to it (RFC 8106), with the interface they see it by. */
static bool
parse_address(struct str text, union dns_address *address)
{
	size_t percent = str_chr(text, '%');
	struct str zone = percent == STR_NPOS ? STR_EMPTY : str_from(text, percent + 1);
	char name[IF_NAMESIZE];
	uint64_t number;

	if (!dns_address_parse(str_sub(text, 0, percent), address))
		return false;
	if (percent == STR_NPOS)
		return true;
	if (address->sa.sa_family != AF_INET6 || zone.len == 0 || zone.len >= sizeof(name) ||
	    str_chr(zone, '\0') != STR_NPOS)
		return false;
	memcpy(name, zone.data, zone.len);
	name[zone.len] = '\0';
	number = if_nametoindex(name);
	if (number == 0 && !str_to_u64(zone, UINT32_MAX, &number))
		return false;
	address->in6.sin6_scope_id = (uint32_t)number;
	return number > 0;
}

bool
dns_server_parse(struct str text, struct arena *arena, struct dns_server_name *out)
{
	struct str host = text, rest = STR_EMPTY;
	uint64_t port = DNS_PORT;

	memset(out, 0, sizeof(*out));
	if (str_starts(text, STR("["))) {
		size_t end = str_chr(text, ']');

		if (end == STR_NPOS)
			return false;
		host = str_sub(text, 1, end - 1);
		rest = str_from(text, end + 1);
	} else if (str_chr(text, ':') != STR_NPOS && str_chr(text, ':') == str_rchr(text, ':')) {
		host = str_sub(text, 0, str_chr(text, ':'));
		rest = str_from(text, host.len);
	}
	if (rest.len > 0 &&
	    (rest.data[0] != ':' || !str_to_u64(str_from(rest, 1), 65535, &port) || port == 0))
		return false;
	if (!parse_address(host, &out->address))
		return false;
	set_port(&out->address, (uint16_t)port);
	out->text = arena_str(arena, port == DNS_PORT ? host : text);
	return true;
}

/* --- resolv.conf ------------------------------------------------------------------------------------ */

static void
add_server(struct str word, struct arena *arena, struct dns_resolv *out)
{
	struct dns_server_name server;

	if (out->n_servers == DNS_SERVERS_MAX)
		return;
	/* Brackets and ports are not part of the format, but some resolvers take them. */
	if (!dns_server_parse(word, arena, &server))
		log_warning(
		    "resolv.conf: the name server \"%.*s\" is no address: not used", STR_ARG(word));
	else
		out->servers[out->n_servers++] = server;
}

static void
set_search(struct str rest, bool one, struct arena *arena, struct dns_resolv *out)
{
	struct str word;

	out->n_search = 0;
	while (out->n_search < DNS_SEARCH_MAX && str_token(&rest, blanks, &word)) {
		struct str domain;

		if (dns_name_normal(word, arena, &domain))
			out->search[out->n_search++] = domain;
		if (one)
			break;
	}
}

static void
set_number(struct str word, const char *name, int least, int most, int *value)
{
	struct str prefix = str_c(name);
	uint64_t n;

	if (!str_starts(word, prefix) || !str_to_u64(str_from(word, prefix.len), INT32_MAX, &n))
		return;
	*value = n < (uint64_t)least ? least : n > (uint64_t)most ? most : (int)n;
}

static void
set_options(struct str rest, struct dns_resolv *out)
{
	struct str word;

	while (str_token(&rest, blanks, &word)) {
		set_number(word, "ndots:", 0, NDOTS_MAX, &out->ndots);
		set_number(word, "timeout:", 1, TIMEOUT_MAX, &out->timeout);
		set_number(word, "attempts:", 1, ATTEMPTS_MAX, &out->attempts);
		out->rotate |= str_eq(word, STR("rotate"));
		out->trust_ad |= str_eq(word, STR("trust-ad"));
	}
}

void
dns_resolv_parse(struct str text, struct arena *arena, struct dns_resolv *out)
{
	struct str line, word;

	memset(out, 0, sizeof(*out));
	out->ndots = 1;
	out->timeout = TIMEOUT_DEFAULT;
	out->attempts = ATTEMPTS_DEFAULT;
	while (str_token(&text, "\n", &line)) {
		if (line.data[0] == '#' || line.data[0] == ';' || !str_token(&line, blanks, &word))
			continue;
		if (str_eq(word, STR("nameserver")) && str_token(&line, blanks, &word))
			add_server(word, arena, out);
		else if (str_eq(word, STR("domain")) || str_eq(word, STR("search")))
			set_search(line, str_eq(word, STR("domain")), arena, out);
		else if (str_eq(word, STR("options")))
			set_options(line, out);
	}
}

/* --- nsswitch.conf ---------------------------------------------------------------------------------- */

static void
add_way(enum dns_way ways[DNS_WAYS], enum dns_way way)
{
	for (int i = 0; i < DNS_WAYS; i++) {
		if (ways[i] == way)
			return;
		if (ways[i] == DNS_WAY_NONE) {
			ways[i] = way;
			return;
		}
	}
}

void
dns_nsswitch_parse(struct str text, enum dns_way ways[DNS_WAYS])
{
	struct str line, word;

	for (int i = 0; i < DNS_WAYS; i++)
		ways[i] = DNS_WAY_NONE;
	while (str_token(&text, "\n", &line)) {
		line = str_sub(line, 0, str_chr(line, '#'));
		if (!str_token(&line, blanks, &word) || !str_eq(word, STR("hosts:")))
			continue;
		while (str_token(&line, blanks, &word)) {
			if (str_eq(word, STR("files")))
				add_way(ways, DNS_WAY_FILES);
			else if (str_eq(word, STR("dns")) || str_eq(word, STR("resolve")))
				add_way(ways, DNS_WAY_DNS);
		}
	}
	if (ways[0] == DNS_WAY_NONE) {
		ways[0] = DNS_WAY_FILES;
		ways[1] = DNS_WAY_DNS;
	}
}
