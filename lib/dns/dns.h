/*
 * dns - questions to name servers, on fibers
 *
 * One resolver per process, made by dns_prepare() before confinement: it reads resolv.conf, the hosts file
 * and nsswitch.conf then, since afterwards no file can be opened. Each question is asked of the servers in
 * turn, with a time limit and a second round; fibers that ask the same at the same time share one question;
 * answers are kept as long as their TTL (at most a day; "no" at most three hours; failures five seconds),
 * bounded in number and bytes.
 *
 * "No" is said only when a server said it, complete and for sure: DNS_NO_NAME and DNS_NO_DATA. All else
 * that went wrong is DNS_AGAIN, DNS_BOGUS or DNS_FILTERED, and mail waits.
 *
 * Nothing that a server sends is trusted: names, counts and lengths are checked, the work is linear in the
 * size of the answer, at most DNS_RECORDS_MAX records of it are taken and ten CNAME records followed.
 */
#ifndef POSTKEEP_DNS_DNS_H
#define POSTKEEP_DNS_DNS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/conf/conf.h"
#include "lib/table/table.h"

#define DNS_RECORDS_MAX 1000 /* of one answer; what is beyond is not looked at */

enum dns_status {
	DNS_OK,      /* there are records */
	DNS_NO_NAME, /* for sure: the name does not exist (NXDOMAIN) */
	DNS_NO_DATA, /* for sure: the name exists, without records of this type */
	DNS_AGAIN, /* no answer, or none of use: time-outs, SERVFAIL, REFUSED, rubbish, CNAME loops */
	DNS_BOGUS, /* DNSSEC: the resolver says that the answer is forged, or signed wrongly */
	DNS_FILTERED, /* there are records, and dns_filter_prepare()'s tables let none of them be seen */
};
/* In words: "Host not found", "Host found but no data record of requested type", … */
const char *dns_status_text(enum dns_status status);
/* Only "no" is for good. */
static inline bool
dns_is_final(enum dns_status status)
{
	return status == DNS_NO_NAME || status == DNS_NO_DATA;
}

/* The numbers are those of the protocol. */
enum dns_type {
	DNS_A = 1,
	DNS_NS = 2,
	DNS_CNAME = 5,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AAAA = 28,
	DNS_TLSA = 52,
};
const char *dns_type_name(enum dns_type type); /* "MX" */

/* An address as bind() and connect() take it; the port is 0 as long as nobody has set it. */
union dns_address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};
socklen_t dns_address_len(const union dns_address *address);
/* "192.0.2.1" or "2001:db8::1", into ARENA. */
struct str dns_address_text(const union dns_address *address, struct arena *arena);
/* The reverse; ports and brackets are not taken, a zone ("%eth0") neither. */
bool dns_address_parse(struct str text, union dns_address *address);

struct dns_tlsa {
	uint8_t usage, selector, matching;
	struct str data; /* bytes */
};

struct dns_record {
	enum dns_type type;
	uint32_t ttl;        /* seconds that are left */
	uint16_t preference; /* MX */
	struct str
	    name; /* MX, NS, CNAME, PTR: the name it points to, no dot at the end; "." is the root */
	union dns_address address; /* A, AAAA */
	struct str txt;            /* TXT: its strings in a row */
	struct dns_tlsa tlsa;
};

struct dns_answer {
	enum dns_status status;
	struct dns_record *records; /* n of them; none unless DNS_OK */
	size_t n;
	/*
	 * DNSSEC: the servers of this machine have validated this answer, CNAME chain and "no" included.
	 * Only with smtp_dns_support_level = dnssec, and when all servers are on loopback addresses or
	 * resolv.conf says trust-ad.
	 */
	bool authentic;
	uint32_t ttl;         /* the shortest on the way; of a "no", how long it holds */
	struct str canonical; /* the end of the CNAME chain, or the name itself; lower case */
	/*
	 * Unless DNS_OK: "Host or domain name not found. Name service error for name=example.org type=MX:
	 * Host not found, try again (127.0.0.1: timeout)". In the words and the order people grep for.
	 */
	struct str why;
};

/*
 * Reads PREFIX_dns_support_level, PREFIX_host_lookup, PREFIX_dns_resolver_options (PREFIX is "smtp" or
 * "lmtp"), disable_dns_lookups, dns_servers, inet_protocols, what mx.h needs of parameters, and the system's
 * files. Call once, before confinement. False: WHY says which parameter is wrong. A resolv.conf that is
 * missing means the name server on 127.0.0.1, as resolv.conf(5) says.
 */
bool dns_prepare(const struct conf *conf, const char *prefix, struct buf *why);
/*
 * The files that dns_prepare() has read or looked for, and where links lead, for the caller to watch: when one changes, this
 * process's answers may be old, and it should be replaced. I from 0; NULL at the end.
 */
const char *dns_file(size_t i);

/*
 * Reads PREFIX_dns_reply_filter: from now on MX, A, AAAA and TLSA records that its tables ignore are not seen, but
 * where names are looked up the system's way. Call after dns_prepare(), before confinement, with the rights of
 * the one who runs it; files that were read are added to PATHS (NULL: not wanted). A table that fails is told by
 * each look-up: DNS_AGAIN.
 */
void dns_filter_prepare(const struct conf *conf, const char *prefix, struct table_paths *paths);

/*
 * Asks for records of TYPE at NAME: as it stands, without a search list. What is in OUT lives in ARENA. NAME
 * is in ASCII (see dns_ascii()), a dot at its end is ignored; one that can be no domain name (labels beyond
 * 63, names beyond 253 bytes, empty labels) is DNS_NO_NAME. Waits.
 */
void dns_query(struct str name, enum dns_type type, struct arena *arena, struct dns_answer *out);

/*
 * The addresses of a host, as PREFIX_host_lookup says (DNS, the system's way, or one after the other) and
 * with the search list as PREFIX_dns_resolver_options allows it. FAMILIES: DNS_IPV4 | DNS_IPV6, of which
 * those count that inet_protocols has. OUT has A and AAAA records in the order they came, AAAA first; when one
 * family is found and the other fails for now, OUT is what was found. Its name may be in U-labels. Waits.
 */
#define DNS_IPV4 1u
#define DNS_IPV6 2u
void dns_host(struct str name, unsigned families, struct arena *arena, struct dns_answer *out);

/* The names (PTR) of an address. Waits. */
void dns_reverse(const struct sockaddr *address, struct arena *arena, struct dns_answer *out);

/*
 * DOMAIN as DNS takes it: U-labels become A-labels (IDNA 2008 with the mapping of UTS 46, RFC 5891), ASCII
 * becomes lower case and stays else what it is. False: WHY says what is wrong with it. Appends nothing else.
 */
bool dns_ascii(struct str domain, struct arena *arena, struct str *out, struct buf *why);

#endif
