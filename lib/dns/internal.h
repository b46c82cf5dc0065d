/*
 * internal - what the parts of lib/dns share
 *
 *	settings.c   parameters and the system's files, read once
 *	resolv.c     resolv.conf, nsswitch.conf as text
 *	hosts.c      the hosts file
 *	packet.c     a question as bytes, an answer from bytes
 *	channel.c    c-ares on fibers: bytes to a server, bytes back
 *	resolver.c   one question: servers, rounds, CNAME chains, DNSSEC
 *	question.c   questions under way, shared by all who ask the same
 *	cache.c      answers that are kept
 *	filter.c     records that are not to be seen
 *	query.c      dns_query(), dns_reverse()
 *	host.c       dns_host()
 *	hop.c        a next hop as text
 *	mx.c         dns_next_hop(): MX records, hosts, what is this machine
 *	order.c      in which order addresses are tried, and how many
 *	tlsa.c       dns_tlsa_lookup()
 *	validates.c  does the resolver validate at all?
 */
#ifndef POSTKEEP_DNS_INTERNAL_H
#define POSTKEEP_DNS_INTERNAL_H

#include "lib/base/hash.h"
#include "lib/base/list.h"
#include "lib/dns/dns.h"
#include "lib/dns/mx.h"
#include "lib/fiber/fiber.h"
#include "lib/table/maps.h"

#define DNS_SERVERS_MAX 8
#define DNS_SEARCH_MAX 16
#define DNS_NAME_MAX 253   /* characters of a domain name, without the dot at its end */
#define DNS_NAME_TEXT 1024 /* the same with every byte escaped as \ddd, and a NUL */
#define DNS_CHAIN_MAX 10   /* CNAME records that are followed */
#define DNS_PACKET_MAX 65535
#define DNS_PORT 53

/* --- settings ---------------------------------------------------------------------------------------- */

enum dns_level {
	DNS_LEVEL_DISABLED, /* no MX; hosts as the system looks them up */
	DNS_LEVEL_ENABLED,
	DNS_LEVEL_DNSSEC,
};

struct dns_server_name {
	union dns_address address;
	struct str text; /* as the logs name it: "127.0.0.1", "[::1]:5353" */
};

/* resolv.conf(5), as far as it matters here. */
struct dns_resolv {
	struct dns_server_name servers[DNS_SERVERS_MAX];
	size_t n_servers;
	struct str search[DNS_SEARCH_MAX];
	size_t n_search;
	int ndots;
	int timeout; /* seconds */
	int attempts;
	bool rotate, trust_ad;
};

/* In which order nsswitch.conf(5) has hosts looked up. */
enum dns_way { DNS_WAY_NONE, DNS_WAY_FILES, DNS_WAY_DNS };
#define DNS_WAYS 2

struct dns_hosts;

/* Where the system's files are: always the same, but in tests. */
struct dns_paths {
	const char *resolv_conf, *hosts, *nsswitch_conf, *services;
};
extern const struct dns_paths dns_system_paths;

struct dns_hop_settings {
	int preference; /* as the parameter's words: any, ipv4, ipv6 */
	bool balance, randomize, defer_if_no_address, ignore_mx_error;
	size_t address_limit; /* 0 = none */
};

struct dns_settings {
	struct arena *arena;  /* of all text here */
	const char *files[8]; /* see dns_file() */
	size_t n_files;
	struct dns_resolv resolv; /* its servers are those of dns_servers where that is set */
	enum dns_level level;
	bool trusted;                   /* the servers' AD flag counts */
	bool lookup_dns, lookup_native; /* PREFIX_host_lookup */
	bool defnames, dnsrch;          /* PREFIX_dns_resolver_options */
	enum dns_way native[DNS_WAYS];
	unsigned families;
	struct str dnssec_probe; /* "type:name" */
	struct dns_hosts *hosts;
	struct hash *services; /* name → port + 1, TCP */
	struct dns_hop_settings hop;
	struct table_maps filter; /* PREFIX_dns_reply_filter */
};

bool dns_is_loopback(const union dns_address *address);

/* NULL, with WHY, for a parameter that cannot be. */
struct dns_settings *dns_settings_read(
    const struct conf *conf, const char *prefix, const struct dns_paths *paths, struct buf *why);
void dns_settings_free(struct dns_settings **settings);
/* "address", "address:port", "[address]", "[address]:port". */
bool dns_server_parse(struct str text, struct arena *arena, struct dns_server_name *out);

/* Later lines win, what is wrong is passed over, as resolv.conf(5) says. OUT is zeroed first. */
void dns_resolv_parse(struct str text, struct arena *arena, struct dns_resolv *out);
void dns_nsswitch_parse(struct str text, enum dns_way ways[DNS_WAYS]);

struct dns_hosts *dns_hosts_parse(struct str text);
void dns_hosts_free(struct dns_hosts **hosts);
/* The addresses of NAME of FAMILIES, records in ARENA, n of them in *N. */
struct dns_record *dns_hosts_find(const struct dns_hosts *hosts, struct str name, unsigned families,
    struct arena *arena, size_t *n);

/* --- packets ----------------------------------------------------------------------------------------- */

/* NAME in lower case, without the dot at its end; false when it can be no domain name. */
bool dns_name_normal(struct str name, struct arena *arena, struct str *out);
/* Letters, digits, '-', '.', and '_', which some have: of a name that dns_name_normal() or IDNA has made. */
bool dns_is_host_name(struct str normal);

#define DNS_ASK_AD 1u   /* tell whether the answer was validated */
#define DNS_ASK_CD 2u   /* do not validate */
#define DNS_ASK_EDNS 4u /* large answers may come by UDP */
/* Appends the question to OUT. False when the name cannot be asked for. */
bool dns_packet_ask(struct str name, enum dns_type type, unsigned flags, struct buf *out);

enum dns_reply_kind {
	DNS_REPLY_RECORDS,
	DNS_REPLY_ALIAS, /* a CNAME whose end is not in the answer: ask for CANONICAL */
	DNS_REPLY_NO_NAME,
	DNS_REPLY_NO_DATA,
	DNS_REPLY_FAILED, /* see rcode and why */
};
#define DNS_RCODE_FORMERR 1
#define DNS_RCODE_SERVFAIL 2
#define DNS_RCODE_NOTIMP 4
struct dns_reply {
	enum dns_reply_kind kind;
	int rcode; /* -1 when the answer could not be read that far */
	bool ad;
	uint32_t ttl;
	unsigned aliases; /* CNAME records followed */
	struct str canonical;
	struct dns_record *records;
	size_t n;
	const char *why; /* a literal: "server failure", "malformed answer", … */
};
/* Reads the answer to a question for NAME (in normal form). All of OUT in ARENA; nothing of PACKET. */
void dns_packet_read(struct str packet, struct str name, enum dns_type type, struct arena *arena,
    struct dns_reply *out);

/* --- servers ----------------------------------------------------------------------------------------- */

struct dns_channel;
/* Before confinement (c-ares reads random bytes from a file). TIMEOUT in milliseconds. NULL: WHY. */
struct dns_channel *dns_channel_new(
    const struct dns_server_name *server, int timeout, struct buf *why);
/* Only when nobody asks by it. */
void dns_channel_free(struct dns_channel **channel);
/*
 * Sends a question and waits for the answer to it, by TCP when it was cut short, at most for the channel's
 * timeout. True: the answer is in PACKET (emptied first), whatever it says. False: *WHY is a literal
 * ("timeout", "connection refused", …). Not to be canceled.
 */
bool dns_channel_ask(struct dns_channel *channel, struct str name, enum dns_type type,
    unsigned flags, struct buf *packet, const char **why);

struct dns_resolver;
struct dns_resolver *dns_resolver_new(const struct dns_settings *settings, struct buf *why);
void dns_resolver_free(struct dns_resolver **resolver);
/* One question from its beginning to its end. NAME in normal form. Waits; not to be canceled. */
void dns_resolve(struct dns_resolver *resolver, struct str name, enum dns_type type,
    struct arena *arena, struct dns_answer *out);

/* --- questions and answers --------------------------------------------------------------------------- */

/* FROM with all it points to, into ARENA; its TTLs AGE seconds shorter. */
void dns_answer_copy(
    const struct dns_answer *from, uint32_t age, struct arena *arena, struct dns_answer *to);

struct dns_cache;
struct dns_cache *dns_cache_new(size_t max_entries, size_t max_bytes);
void dns_cache_free(struct dns_cache **cache);
/* NOW in milliseconds of a monotonic clock. */
bool dns_cache_get(struct dns_cache *cache, struct str name, enum dns_type type, int64_t now,
    struct arena *arena, struct dns_answer *out);
void dns_cache_put(struct dns_cache *cache, struct str name, enum dns_type type, int64_t now,
    const struct dns_answer *answer);
size_t dns_cache_count(const struct dns_cache *cache);
size_t dns_cache_bytes(const struct dns_cache *cache);

/* What dns_prepare() has made. */
struct dns {
	struct dns_settings *settings;
	struct dns_resolver *resolver;
	struct dns_cache *cache;
	struct hash *questions; /* under way */
	bool validates;         /* an answer was authentic */
	bool validates_asked;   /* dns_look_whether_validates() need not be called again */
};
struct dns *dns_new(struct dns_settings *settings, struct buf *why);
void dns_free(struct dns **dns);
/* The one of this process; ends the process when there was no dns_prepare(). And for tests: another one. */
struct dns *dns_get(void);
void dns_set(struct dns *dns);

/*
 * A question that is begun and not waited for: several at once without a fiber each. dns_ask() has it
 * answered from the cache, joins one under way, or begins one; dns_wait() waits and gives the answer.
 * Every dns_ask() is followed by one dns_wait().
 */
struct dns_asked {
	struct dns_question *question; /* NULL: ANSWER is it */
	struct dns_answer answer;
	struct str name;
	enum dns_type type;
};
void dns_ask(struct dns *dns, struct str name, enum dns_type type, struct arena *arena,
    struct dns_asked *asked);
void dns_wait(struct dns_asked *asked, struct arena *arena, struct dns_answer *out);

/*
 * What may be seen of ANSWER, whose records are in ARENA: that of a question for NAME and TYPE. Waits, when a
 * table is proxymap's.
 */
void dns_filter(const struct dns *dns, struct str name, enum dns_type type, struct arena *arena,
    struct dns_answer *answer);

/* WHY of an answer that is not DNS_OK; DETAIL ("127.0.0.1: timeout") may be empty. */
struct str dns_why(struct arena *arena, struct str name, enum dns_type type, enum dns_status status,
    struct str detail);

/* --- next hops --------------------------------------------------------------------------------------- */

/* A next hop as written. */
struct dns_hop_name {
	struct str host; /* without brackets, "IPv6:" and port */
	uint16_t port;
	bool bracketed;
	bool literal;              /* host is an address */
	union dns_address address; /* of a literal, with the port */
};
/* SERVICE is the port where HOP has none. SERVICES: name → port + 1. False: WHY. */
bool dns_hop_parse(struct str hop, const char *service, const struct hash *services,
    struct arena *arena, struct dns_hop_name *out, struct buf *why);

/*
 * Targets in the order to try: by preference, equal ones as settings say; then shortened to the limit.
 * Returns how many are left.
 */
size_t dns_order(struct dns_target *targets, size_t n, const struct dns_hop_settings *settings);
/* Shuffles N things of SIZE bytes (at most 256). */
void dns_shuffle(void *things, size_t n, size_t size);

/*
 * To be called when something turned out not to be validated. The first time, and unless there were authentic
 * answers before, dnssec_probe is looked up on a fiber of its own; when that is not authentic either, the log
 * says that DNSSEC is without effect. Does not wait.
 */
void dns_look_whether_validates(struct dns *dns);
/* "type:name", the name in normal form or ".". */
bool dns_probe_parse(struct str text, struct arena *arena, enum dns_type *type, struct str *name);

/* Keeps of N records those that RFC 7672 allows and that have the length they should have. */
size_t dns_tlsa_usable(const struct dns_record *records, size_t n, struct dns_tlsa *out);

#endif
