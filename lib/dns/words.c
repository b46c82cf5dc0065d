/*
 * words - statuses, types and addresses as text
 */
#include <arpa/inet.h>
#include <string.h>

#include "lib/dns/internal.h"

const char *
dns_status_text(enum dns_status status)
{
	switch (status) {
	case DNS_OK:
		return "Host found";
	case DNS_NO_NAME:
		return "Host not found";
	case DNS_NO_DATA:
		return "Host found but no data record of requested type";
	case DNS_AGAIN:
		return "Host not found, try again";
	case DNS_BOGUS:
		return "DNSSEC validation failed";
	case DNS_FILTERED:
		return "DNS reply filter drops all results";
	}
	return "unknown status";
}

const char *
dns_type_name(enum dns_type type)
{
	switch (type) {
	case DNS_A:
		return "A";
	case DNS_NS:
		return "NS";
	case DNS_CNAME:
		return "CNAME";
	case DNS_PTR:
		return "PTR";
	case DNS_MX:
		return "MX";
	case DNS_TXT:
		return "TXT";
	case DNS_AAAA:
		return "AAAA";
	case DNS_TLSA:
		return "TLSA";
	}
	return "unknown type";
}

socklen_t
dns_address_len(const union dns_address *address)
{
	return address->sa.sa_family == AF_INET6 ? sizeof(address->in6) : sizeof(address->in);
}

struct str
dns_address_text(const union dns_address *address, struct arena *arena)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (address->sa.sa_family == AF_INET6)
		inet_ntop(AF_INET6, &address->in6.sin6_addr, text, sizeof(text));
	else
		inet_ntop(AF_INET, &address->in.sin_addr, text, sizeof(text));
	return arena_str(arena, str_c(text));
}

bool
dns_address_parse(struct str text, union dns_address *address)
{
	char copy[INET6_ADDRSTRLEN];

	memset(address, 0, sizeof(*address));
	if (text.len == 0 || text.len >= sizeof(copy) || str_chr(text, '\0') != STR_NPOS)
		return false;
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	if (inet_pton(AF_INET, copy, &address->in.sin_addr) == 1) {
		address->sa.sa_family = AF_INET;
		return true;
	}
	if (inet_pton(AF_INET6, copy, &address->in6.sin6_addr) == 1) {
		address->sa.sa_family = AF_INET6;
		return true;
	}
	return false;
}

bool
dns_is_loopback(const union dns_address *a)
{
	if (a->sa.sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&a->in6.sin6_addr);
	return ntohl(a->in.sin_addr.s_addr) >> 24 == 127;
}
