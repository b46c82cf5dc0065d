/*
 * net - networks in CIDR notation
 *
 * Strict: a network with host bits set is a mistake to be told, not a network near it.
 */
#include <arpa/inet.h>
#include <string.h>

#include "lib/base/net.h"

#define TEXT_MAX 64 /* longer than any address */

static enum net_status
bad(struct str text, const char *cause, struct buf *why)
{
	if (why)
		buf_printf(why, "\"%.*s\": %s", STR_ARG(text), cause);
	return NET_BAD;
}

static bool
parse_address(struct str s, struct net *net)
{
	char text[TEXT_MAX];

	if (s.len == 0 || s.len >= sizeof text || memchr(s.data, '\0', s.len))
		return false;
	memcpy(text, s.data, s.len);
	text[s.len] = '\0';
	net->v6 = str_chr(s, ':') != STR_NPOS;
	net->bits = net->v6 ? 128 : 32;
	return inet_pton(net->v6 ? AF_INET6 : AF_INET, text, net->bytes) == 1;
}

/* Does S look like an address, so that failing to be one is a mistake? */
static bool
looks_numeric(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] != '.' && (s.data[i] < '0' || s.data[i] > '9'))
			return false;
	return s.len > 0;
}

static bool
has_host_bits(const struct net *net)
{
	unsigned size = net->v6 ? 128 : 32;

	for (unsigned bit = net->bits; bit < size; bit++)
		if (net->bytes[bit / 8] & (0x80 >> bit % 8))
			return true;
	return false;
}

enum net_status
net_parse(struct str text, struct net *net, struct buf *why)
{
	size_t slash = str_chr(text, '/');
	struct str address = str_sub(text, 0, slash);
	bool bracketed = address.len > 0 && address.data[0] == '[';
	uint64_t bits;

	*net = (struct net){0};
	if (bracketed) {
		if (address.len < 3 || address.data[address.len - 1] != ']')
			return bad(text, "closing ] is missing", why);
		address = str_sub(address, 1, address.len - 2);
	}
	if (!parse_address(address, net)) {
		if (bracketed || looks_numeric(address))
			return bad(text, "not a valid address", why);
		return NET_NONE;
	}
	if (slash == STR_NPOS)
		return NET_OK;
	if (!str_to_u64(str_from(text, slash + 1), net->bits, &bits))
		return bad(text, "not a valid network length", why);
	net->bits = (unsigned)bits;
	if (has_host_bits(net))
		return bad(text, "the address has bits set behind the network length", why);
	return NET_OK;
}

/* ::ffff:192.0.2.1 as 192.0.2.1. */
static void
unmap(struct net *a)
{
	static const unsigned char prefix[12] = {[10] = 0xff, [11] = 0xff};

	if (!a->v6 || memcmp(a->bytes, prefix, sizeof prefix) != 0)
		return;
	memmove(a->bytes, a->bytes + 12, 4);
	a->v6 = false;
	a->bits = 32;
}

bool
net_has(const struct net *net, const struct net *address)
{
	struct net a = *address;
	unsigned whole = net->bits / 8, rest = net->bits % 8;

	if (!net->v6)
		unmap(&a);
	if (a.v6 != net->v6 || memcmp(a.bytes, net->bytes, whole) != 0)
		return false;
	return rest == 0 || ((a.bytes[whole] ^ net->bytes[whole]) & (0xff00 >> rest) & 0xff) == 0;
}
