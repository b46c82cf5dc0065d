/*
 * query - the questions that callers ask
 */
#include <string.h>

#include "lib/dns/internal.h"

bool
dns_prepare(const struct conf *conf, const char *prefix, struct buf *why)
{
	struct dns_settings *settings = dns_settings_read(conf, prefix, &dns_system_paths, why);
	struct dns *dns;

	if (!settings)
		return false;
	dns = dns_new(settings, why);
	if (!dns) {
		dns_settings_free(&settings);
		return false;
	}
	dns_set(dns);
	return true;
}

const char *
dns_file(size_t i)
{
	const struct dns_settings *settings = dns_get()->settings;

	return i < settings->n_files ? settings->files[i] : NULL;
}

void
dns_query(struct str name, enum dns_type type, struct arena *arena, struct dns_answer *out)
{
	struct dns_asked asked;

	dns_ask(dns_get(), name, type, arena, &asked);
	dns_wait(&asked, arena, out);
	dns_filter(dns_get(), name, type, arena, out);
}

static struct str
reverse_name(const struct sockaddr *address, struct arena *arena)
{
	if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)address;
		const uint8_t *b = in6->sin6_addr.s6_addr;
		char text[64], *to = text;

		for (int i = 15; i >= 0; i--) {
			*to++ = "0123456789abcdef"[b[i] & 15];
			*to++ = '.';
			*to++ = "0123456789abcdef"[b[i] >> 4];
			*to++ = '.';
		}
		return arena_printf(arena, "%.64sip6.arpa", text);
	}
	if (address->sa_family == AF_INET) {
		uint32_t a =
		    ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr);

		return arena_printf(arena, "%u.%u.%u.%u.in-addr.arpa", a & 255, a >> 8 & 255,
		    a >> 16 & 255, a >> 24);
	}
	return STR_EMPTY;
}

void
dns_reverse(const struct sockaddr *address, struct arena *arena, struct dns_answer *out)
{
	dns_query(reverse_name(address, arena), DNS_PTR, arena, out);
}
