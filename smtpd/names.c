/*
 * names - who the client is, as logs and trace headers say it
 *
 * Confined programs have no resolver here, so a client has no name but the two that need none:
 * "localhost" for the loopback addresses, and "unknown" for the rest, as for a client without PTR.
 */
#include "smtpd/session.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"

static void
peer_name(struct session_peer *peer, const char *name, bool with_port)
{
	struct buf b = {0};

	peer->name = mem_strdup(name);
	buf_printf(&b, "%s[%s]", name, peer->address);
	if (with_port)
		buf_printf(&b, ":%u", (unsigned)peer->port);
	peer->namaddr = buf_take(&b);
}

void
peer_from_socket(struct session_peer *peer, const struct sockaddr_storage *from, bool with_port)
{
	bool loopback = false;

	memset(peer, 0, sizeof(*peer));
	memcpy(peer->address, "unknown", sizeof("unknown"));
	if (from->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)from;

		inet_ntop(AF_INET, &in->sin_addr, peer->address, sizeof(peer->address));
		peer->port = ntohs(in->sin_port);
		loopback = ntohl(in->sin_addr.s_addr) >> 24 == 127;
	} else if (from->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)from;
		const struct in6_addr *a = &in6->sin6_addr;

		if (IN6_IS_ADDR_V4MAPPED(a)) {
			inet_ntop(AF_INET, &a->s6_addr[12], peer->address, sizeof(peer->address));
			loopback = a->s6_addr[12] == 127;
		} else {
			inet_ntop(AF_INET6, a, peer->address, sizeof(peer->address));
			loopback = IN6_IS_ADDR_LOOPBACK(a);
		}
		peer->port = ntohs(in6->sin6_port);
	}
	peer_name(peer, loopback ? "localhost" : "unknown", with_port);
}

void
peer_local(struct session_peer *peer)
{
	memset(peer, 0, sizeof(*peer));
	memcpy(peer->address, "127.0.0.1", sizeof("127.0.0.1"));
	peer_name(peer, "localhost", false);
}

void
peer_free(struct session_peer *peer)
{
	free(peer->name);
	free(peer->namaddr);
	peer->name = peer->namaddr = NULL;
}

/* All but the first BITS of the N bytes at ADDRESS become 0. */
static void
mask(unsigned char *address, size_t n, unsigned bits)
{
	for (size_t i = 0; i < n; i++) {
		if (bits >= 8) {
			bits -= 8;
			continue;
		}
		address[i] &= (unsigned char)(0xff00 >> bits);
		bits = 0;
	}
}

void
peer_network(const struct session_peer *peer, unsigned prefix4, unsigned prefix6,
    char out[PEER_NETWORK_SIZE])
{
	unsigned char a[sizeof(struct in6_addr)];
	bool six = strchr(peer->address, ':') != NULL;
	unsigned bits = six ? prefix6 : prefix4, all = six ? 128 : 32;

	snprintf(out, PEER_NETWORK_SIZE, "%s", peer->address);
	if (bits >= all || inet_pton(six ? AF_INET6 : AF_INET, peer->address, a) != 1)
		return;
	mask(a, all / 8, bits);
	if (inet_ntop(six ? AF_INET6 : AF_INET, a, out, INET6_ADDRSTRLEN))
		snprintf(out + strlen(out), 5, "/%u", bits);
}
