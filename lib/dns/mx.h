/*
 * mx - from a next hop to the addresses to try, in order
 *
 * RFC 5321 section 5.1 (MX by preference, equal ones at random, implicit MX, records at and above one's own
 * preference dropped), RFC 7505 (null MX), RFC 7672 (TLSA). Uses lib/dns/dns.h; dns_prepare() comes first.
 *
 * Hosts are looked up group by group of equal preference, several at a time, until there are as many
 * addresses as PREFIX_mx_address_limit wants: a hundred MX records cost no hundred look-ups.
 */
#ifndef POSTKEEP_DNS_MX_H
#define POSTKEEP_DNS_MX_H

#include "lib/dns/dns.h"

enum dns_hop_status {
	DNS_HOP_OK,
	DNS_HOP_MYSELF, /* the best MX host is this machine: best_mx_transport, or bounced with dsn and why */
	DNS_HOP_BOUNCE, /* for good: no such domain, no address, null MX */
	DNS_HOP_DEFER, /* for now; also a next hop that cannot be parsed, which only a configuration has */
};

struct dns_target {
	struct str host; /* the MX host's or next hop's name; of an address literal the address */
	struct str canonical; /* where its CNAME records lead, else the same as host */
	struct str
	    mx_owner; /* where the next hop's own CNAME records lead, and the MX records stand; or empty */
	struct str text;           /* the address as text */
	union dns_address address; /* with its port */
	uint16_t port;
	uint16_t preference; /* 0 where no MX record was used */
	/*
	 * The MX records were validated by DNSSEC; where none were looked up, because the next hop is [host],
	 * there was nothing to forge and it is true (RFC 7672 section 2.2.1). And: host's addresses (and its
	 * CNAME chain) were validated. Literals are neither.
	 */
	bool mx_authentic, address_authentic;
	uint32_t ttl; /* seconds: how long this place in the list holds */
};

struct dns_next_hop {
	enum dns_hop_status status;
	struct dns_target *targets; /* n of them, in the order to try */
	size_t n;
	struct str domain; /* of the next hop, without brackets and port, in A-labels, lower case */
	uint16_t port;
	bool literal;        /* it was an address */
	bool mx;             /* it has MX records */
	struct str dsn, why; /* unless DNS_HOP_OK: "5.4.4" and the words */
};

struct dns_hop_options {
	const char *service; /* port when the next hop names none: "smtp", "24", "lmtp" */
	bool no_mx;          /* LMTP: never ask for MX records */
	/*
	 * The administrator has named it (relayhost, a transport table), it is no recipient's domain: what does
	 * not exist is then a mistake in the configuration or in DNS, and mail waits (DNS_HOP_DEFER).
	 */
	bool configured;
	/*
	 * Is this MX host's name (ADDRESS NULL) or address (HOST its name) this machine? May be NULL. Asked only
	 * when the port is 25: who names another port knows what is there.
	 */
	bool (*is_me)(void *ctx, struct str host, const struct sockaddr *address);
	void *ctx;
};

/*
 * HOP is one next hop: "example.org", "example.org:587", "[host]", "[host]:submission", "[192.0.2.1]",
 * "[IPv6:2001:db8::1]:25", "[2001:db8::1]", without brackets an address as well. Port names are those of
 * known_tcp_ports and of /etc/services, read before confinement. What is in OUT lives in ARENA. Waits.
 */
void dns_next_hop(struct str hop, const struct dns_hop_options *options, struct arena *arena,
    struct dns_next_hop *out);

enum dns_tlsa_status {
	DNS_TLSA_USABLE, /* at least one record to verify by */
	DNS_TLSA_UNUSABLE, /* there are records, none of use: encryption is mandatory, unauthenticated */
	DNS_TLSA_NONE,  /* for sure there are none, or the zone is not signed: no DANE */
	DNS_TLSA_AGAIN, /* not known: this host must not be used now (RFC 7672 section 2.1.2) */
};

struct dns_tlsa_answer {
	enum dns_tlsa_status status;
	struct dns_tlsa *records; /* the usable ones, n of them */
	size_t n;
	struct str
	    base; /* the name the records are for: _port._tcp.BASE; what certificates are matched with */
	uint32_t ttl;
	struct str why; /* with UNUSABLE, NONE and AGAIN */
};

/*
 * The TLSA records of a target (RFC 7672 section 2.2): first at the end of its CNAME chain, then at its own
 * name. When its addresses were not authentic, only at its own name, and only when that is an alias in a signed zone,
 * or with FORCE (smtp_tls_force_insecure_host_tlsa_lookup). Usable are DANE-TA(2) and DANE-EE(3), of the full certificate or
 * key, SHA2-256 or SHA2-512. Waits.
 */
void dns_tlsa_lookup(
    const struct dns_target *target, bool force, struct arena *arena, struct dns_tlsa_answer *out);

#endif
