/*
 * hop - a next hop as text: [host]:port and its relatives
 */
#include <string.h>

#include "lib/dns/internal.h"

static bool
find_port(struct str text, const struct hash *services, uint16_t *port)
{
	uintptr_t known = (uintptr_t)hash_get(services, text);
	uint64_t number;

	if (str_to_u64(text, UINT16_MAX, &number))
		known = number > 0 ? (uintptr_t)number + 1 : 0;
	*port = known > 1 ? (uint16_t)(known - 1) : 0;
	return known > 1;
}

/* Takes HOP apart; PORT stays as it is when HOP has none. False: brackets that do not fit. */
static bool
split(struct str hop, struct dns_hop_name *out, struct str *port)
{
	size_t colon = str_chr(hop, ':'), end = str_chr(hop, ']');
	struct str rest = STR_EMPTY;

	out->host = hop;
	out->bracketed = str_starts(hop, STR("["));
	if (out->bracketed) {
		if (end == STR_NPOS)
			return false;
		out->host = str_sub(hop, 1, end - 1);
		rest = str_from(hop, end + 1);
	} else if (end != STR_NPOS) {
		return false;
	} else if (colon != STR_NPOS && colon == str_rchr(hop, ':')) {
		out->host = str_sub(hop, 0, colon);
		rest = str_from(hop, colon);
	}
	if (rest.len > 0 && rest.data[0] != ':')
		return false;
	if (rest.len > 0)
		*port = str_from(rest, 1);
	return out->host.len > 0;
}

static bool
is_literal(struct dns_hop_name *hop)
{
	struct str address = hop->host;

	if (str_starts_nocase(address, STR("IPv6:")))
		address = str_from(address, sizeof("IPv6:") - 1);
	if (!dns_address_parse(address, &hop->address))
		return false;
	if (hop->address.sa.sa_family == AF_INET6)
		hop->address.in6.sin6_port = htons(hop->port);
	else
		hop->address.in.sin_port = htons(hop->port);
	hop->host = address;
	return true;
}

bool
dns_hop_parse(struct str hop, const char *service, const struct hash *services, struct arena *arena,
    struct dns_hop_name *out, struct buf *why)
{
	struct str port = str_c(service);

	memset(out, 0, sizeof(*out));
	hop = arena_str(arena, str_trim(hop));
	if (!split(hop, out, &port)) {
		buf_printf(why,
		    "the next hop \"%.*s\" is none of host, host:port, [host] and [host]:port",
		    STR_ARG(hop));
		return false;
	}
	if (!find_port(port, services, &out->port)) {
		buf_printf(why, "the next hop \"%.*s\" has an unknown port: %.*s", STR_ARG(hop),
		    STR_ARG(port));
		return false;
	}
	out->literal = is_literal(out);
	return true;
}
