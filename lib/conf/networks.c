/*
 * networks - mynetworks, when nobody wrote it down
 *
 * From the addresses of this machine that inet_interfaces lets mail in on. Host names in
 * inet_interfaces other than "localhost" are left out: a look-up could hang, and trusting too few is
 * the safe side.
 */
#include "config.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "lib/conf/internal.h"

struct network {
	int family;
	unsigned char bytes[16];
	size_t len;
	unsigned prefix;
};

static bool
read_address(const struct sockaddr *sa, struct network *n)
{
	*n = (struct network){0};
	if (!sa)
		return false;
	n->family = sa->sa_family;
	if (sa->sa_family == AF_INET) {
		n->len = 4;
		memcpy(n->bytes, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
	} else if (sa->sa_family == AF_INET6) {
		n->len = 16;
		memcpy(n->bytes, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
	}
	n->prefix = (unsigned)n->len * 8;
	return n->len > 0;
}

static unsigned
mask_length(const struct sockaddr *sa, unsigned otherwise)
{
	struct network mask;
	unsigned bits = 0;

	if (!read_address(sa, &mask))
		return otherwise;
	while (bits < mask.len * 8 && (mask.bytes[bits / 8] & (0x80 >> (bits % 8))))
		bits++;
	return bits;
}

/* The prefix of the old address classes A, B and C. */
static unsigned
class_length(const struct network *n, unsigned otherwise)
{
	if (n->family != AF_INET)
		return otherwise;
	return n->bytes[0] < 128 ? 8 : n->bytes[0] < 192 ? 16 : 24;
}

static bool
is_loopback(const struct network *n)
{
	static const unsigned char one[16] = {[15] = 1};

	return n->family == AF_INET ? n->bytes[0] == 127 : memcmp(n->bytes, one, 16) == 0;
}

/* ITEM: an address, perhaps in brackets. */
static bool
is_this_address(struct str item, const struct network *n)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char bytes[16];

	if (item.len > 2 && item.data[0] == '[' && item.data[item.len - 1] == ']')
		item = str_sub(item, 1, item.len - 2);
	if (item.len >= sizeof(text))
		return false;
	memcpy(text, item.data, item.len);
	text[item.len] = '\0';
	return inet_pton(n->family, text, bytes) == 1 && memcmp(bytes, n->bytes, n->len) == 0;
}

static bool
is_used(struct str interfaces, const struct network *n)
{
	struct str item;

	while (conf_list_next(&interfaces, &item)) {
		if (str_eq_nocase(item, STR("all")))
			return true;
		if (str_eq_nocase(item, STR("loopback-only")) ||
		    str_eq_nocase(item, STR("localhost"))) {
			if (is_loopback(n))
				return true;
		} else if (is_this_address(item, n)) {
			return true;
		}
	}
	return false;
}

static bool
protocol_used(struct str protocols, int family)
{
	struct str item;

	while (conf_list_next(&protocols, &item))
		if (str_eq_nocase(item, STR("all")) ||
		    str_eq_nocase(item, family == AF_INET ? STR("ipv4") : STR("ipv6")))
			return true;
	return false;
}

static void
append_network(struct network *n, struct buf *out)
{
	char text[INET6_ADDRSTRLEN];
	struct buf item = {0};
	struct str known = buf_view(out), word = STR_EMPTY;
	bool twice = false;

	for (unsigned bit = n->prefix; bit < n->len * 8; bit++)
		n->bytes[bit / 8] &= (unsigned char)~(0x80 >> (bit % 8));
	if (!inet_ntop(n->family, n->bytes, text, sizeof(text)))
		return;
	buf_printf(&item, n->family == AF_INET ? "%s/%u" : "[%s]/%u", text, n->prefix);
	while (!twice && conf_list_next(&known, &word))
		twice = str_eq(word, buf_view(&item));
	if (!twice) {
		if (out->len > 0)
			buf_putc(out, ' ');
		buf_str(out, buf_view(&item));
	}
	buf_free(&item);
}

void
conf_compute_networks(
    struct str style, struct str interfaces, struct str protocols, struct buf *out)
{
	struct ifaddrs *all = NULL;
	struct network n;

	if (getifaddrs(&all) != 0)
		return;
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		if (!(i->ifa_flags & IFF_UP) || !read_address(i->ifa_addr, &n) ||
		    !protocol_used(protocols, n.family) || !is_used(interfaces, &n))
			continue;
		if (str_eq_nocase(style, STR("subnet")))
			n.prefix = mask_length(i->ifa_netmask, n.prefix);
		else if (str_eq_nocase(style, STR("class")))
			n.prefix = class_length(&n, mask_length(i->ifa_netmask, n.prefix));
		append_network(&n, out);
	}
	freeifaddrs(all);
}
