/*
 * tls - OpenSSL on streams: the client's side
 *
 *	client = tls_client_prepare(conf, TLS_CLIENT_SMTP);          before confinement, once
 *	tls_policy_default(client, &policy)                           or
 *	tls_policy_parse(client, value of a policy map, arena, &policy, &why)
 *	tls_policy_dane(client, &policy, …)                           levels dane and dane-only, after DNS
 *	tls_client_start(stream, client, &policy, &target, arena, &result)
 *
 * Everything that lies in files (authorities, own certificates and keys, providers, settings of OpenSSL)
 * is read by tls_client_prepare(); nothing is opened later. What is wrong with it does not stop the
 * program: mail that would need TLS waits, and the reason says what to repair.
 *
 * A server is a stranger: its chain of certificates, its tickets, the number of its records in a handshake
 * and the time that takes are bounded. After tls_client_start() the stream's reads and writes are
 * encrypted; stream_close() says goodbye (close notify, RFC 8446 6.1) without waiting for the answer.
 * There is no renegotiation, no compression and no early data.
 *
 * Names are compared as RFC 6125 and RFC 9525 say: in ASCII (A-labels), without regard to case. Names
 * that callers pass in are ASCII.
 */
#ifndef POSTKEEP_TLS_TLS_H
#define POSTKEEP_TLS_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/conf/conf.h"
#include "lib/fiber/stream.h"

/* What is demanded of a connection. */
enum tls_level {
	TLS_NONE,        /* no TLS */
	TLS_MAY,         /* TLS with any certificate, or none when the server cannot */
	TLS_ENCRYPT,     /* TLS with any certificate */
	TLS_DANE,        /* what TLSA records say; without secure records like TLS_MAY */
	TLS_DANE_ONLY,   /* what TLSA records say; there must be some */
	TLS_FINGERPRINT, /* the certificate, or its key, has one of the digests of the policy */
	TLS_VERIFY,      /* a trusted certificate, with a name as smtp_tls_verify_cert_match says */
	TLS_SECURE,      /* the same, as smtp_tls_secure_cert_match says */
};

/* "may"; and back, false if there is no such level. */
const char *tls_level_name(enum tls_level level);
bool tls_level_parse(struct str name, enum tls_level *level);
/* Must a server without STARTTLS, or with which the handshake fails, be left (not asked in clear)? */
bool tls_level_mandatory(enum tls_level level);
/* Must the server prove who it is? */
bool tls_level_authenticates(enum tls_level level);

/* --- Settings --------------------------------------------------------------------------------- */

/* Which parameters: smtp_tls_… or lmtp_tls_…. */
enum tls_client_kind {
	TLS_CLIENT_SMTP,
	TLS_CLIENT_LMTP,
};

struct tls_client;

/*
 * Reads all that TLS needs, as whoever the process is now. CONF must outlive it. Never NULL: what is wrong
 * is logged, and see tls_client_fault(). Not on a fiber.
 */
struct tls_client *tls_client_prepare(const struct conf *conf, enum tls_client_kind kind);
/*
 * The same for "postkeep check": everything that is wrong is added to PROBLEMS and nothing is logged. Lists
 * of protocols and ciphers, unreadable or mistaken files, a key that does not match, an own certificate
 * that is expired or will be in two weeks: each with the parameter's name and its place.
 */
struct tls_client *tls_client_check(
    const struct conf *conf, enum tls_client_kind kind, struct conf_problems *problems);
/* Sets *C to NULL; NULL is accepted. No stream that was started with it may be open any more. */
void tls_client_free(struct tls_client **c);
/*
 * What is wrong with the configuration, in words with the parameter's name, or NULL. While it is not
 * NULL, no handshake is made, at any level: mail waits (TLS_MISCONFIGURED), the level none excepted.
 */
const char *tls_client_fault(const struct tls_client *c);
/* Calls FN with each file and directory that was read, for watching whether they change. */
void tls_client_files(
    const struct tls_client *c, void (*fn)(const char *path, void *arg), void *arg);
/*
 * Loads the trust anchors of PATH, which a policy map names in "tafile=" (and which are out of reach
 * later). False: WHY. Before confinement.
 */
bool tls_client_load_anchors(struct tls_client *c, struct str path, struct buf *why);
/*
 * The same for what a policy map's VALUE names: to be called with every value that is in reach before
 * confinement. What is wrong with the value is not told here, but by tls_policy_parse().
 */
void tls_client_preload(struct tls_client *c, struct str value);

/* --- Policies --------------------------------------------------------------------------------- */

/* A TLSA record's data (RFC 6698 2.1); the bytes are the caller's. */
struct tls_tlsa {
	uint8_t usage, selector, matching;
	struct str data;
};

/*
 * What one destination's connections must be like. Filled by tls_policy_default() or
 * tls_policy_parse(); callers read level and connection_reuse. Views are into the client's settings or
 * the arena.
 */
struct tls_policy {
	enum tls_level level;
	bool connection_reuse;    /* may the connection be kept for other deliveries? */
	bool enable_rpk;          /* accepted; this OpenSSL knows no raw public keys */
	bool insecure_mx;         /* dane: the records are secure, the way to the host is not */
	uint8_t tls_min, tls_max; /* protocols.c's numbers */
	uint8_t tls_excluded;
	struct str cipher_list;    /* in OpenSSL's language */
	struct str servername;     /* SNI; empty: none, but with TLSA records their base domain */
	const struct str *matches; /* names, or fingerprints */
	size_t n_matches;
	const struct tls_anchors *anchors; /* NULL: the authorities of the settings */
	const struct tls_policy *instead;  /* dane: what it becomes, may and encrypt */
	const struct tls_policy *audit;    /* may, encrypt: tls_policy_audit() */
	struct str tlsa_base;
	struct str tlsa_alias; /* of the next hop; or empty */
	const struct tls_tlsa *tlsa;
	size_t n_tlsa;
};

/* Who is at the other end. */
struct tls_target {
	struct str
	    host; /* the name of the server as MX record or configuration have it; or an address */
	struct str
	    nexthop;     /* the domain (or host) that the mail is for, without brackets and port */
	struct str peer; /* "host[address]:port", for texts, and for finding sessions again */
};

/* The policy of main.cf. Not valid while there is a fault (then the level is that of main.cf). */
void tls_policy_default(const struct tls_client *c, struct tls_policy *p);
/*
 * One result of a policy map: "LEVEL name=value name=value …", with what it leaves open as main.cf says.
 * Attributes are separated by white space or commas, and may stand in braces ("{ match = a : b }"):
 * match, protocols, ciphers, exclude, tafile, servername, connection_reuse, enable_rpk, and those of
 * MTA-STS plug-ins (policy_…, mx_host_pattern), which are let pass. False: WHY says what is wrong; the
 * mail must wait, since what is demanded of the connection is not known.
 */
bool tls_policy_parse(const struct tls_client *c, struct str value, struct arena *a,
    struct tls_policy *p, struct buf *why);
/*
 * Appends to OUT what P, after tls_policy_dane() and tls_policy_sts(), demands of a connection to TARGET: two
 * that say the same here would accept and refuse the same servers, so that a connection that was made for one
 * is good for the other, if it leads to the same address. Names count as far as certificates are compared with
 * them or they are sent (SNI). TARGET->peer does not count.
 */
void tls_policy_key(
    const struct tls_policy *p, const struct tls_target *target, struct arena *a, struct buf *out);
/*
 * A policy of MTA-STS (RFC 8461 5) in enforce mode: a trusted certificate that has the name of the
 * host, TLS 1.2 or later. The host was compared with the policy's patterns already.
 */
void tls_policy_sts(const struct tls_client *c, struct tls_policy *p);

/*
 * P, of level may or encrypt, goes on to accept any certificate, and tells what AUDIT, which is
 * tls_policy_sts()'s, would say to it: tls_result.audit. AUDIT must outlive P. MTA-STS in testing mode.
 */
void tls_policy_audit(struct tls_policy *p, const struct tls_policy *audit);

/* What DNS had to say on _PORT._tcp.HOST TLSA. */
enum tls_dane_answer {
	TLS_DANE_RECORDS, /* secure records */
	TLS_DANE_ABSENT,  /* surely none, or none that is secure: answers from an unsigned zone */
	TLS_DANE_FAILED,  /* not known: bogus, or no answer */
};
struct tls_dane {
	enum tls_dane_answer answer;
	bool insecure_mx; /* the host's name came from an MX record that is not secure */
	struct str
	    alias; /* the next hop after its own aliases, when MX records were used; or empty */
	struct str base; /* TLSA base domain (RFC 7672 2.2.3): the host after aliases, or before */
	const struct tls_tlsa *records;
	size_t n;
	struct str why; /* TLS_DANE_FAILED: in words */
};
/*
 * Applies that to a policy of level dane or dane-only (others are left alone), as RFC 7672 2.2 and
 * smtp_tls_dane_insecure_mx_policy say: without records dane becomes may; with records of which none is
 * usable it becomes encrypt. False: WHY; the server must not be used now (defer, 4.7.5). The records
 * must outlive P.
 */
bool tls_policy_dane(
    const struct tls_client *c, struct tls_policy *p, const struct tls_dane *dane, struct buf *why);
/* Is it one that can decide anything here: usage 2 or 3, known selector and digest, right length? */
bool tls_tlsa_usable(const struct tls_client *c, const struct tls_tlsa *record);

/* --- Connections ------------------------------------------------------------------------------ */

enum tls_outcome {
	TLS_OK,
	/* The server cannot, or not with these protocols and ciphers. At the level may: try in clear. */
	TLS_HANDSHAKE_FAILED,
	TLS_LOST, /* connection lost or time over during the handshake. At the level may: try in clear. */
	/* The handshake went well; the server is not who it should be. */
	TLS_NOT_TRUSTED,
	TLS_MISCONFIGURED, /* our fault; do not try in clear */
	TLS_CANCELED,      /* the fiber was */
};

/* What became of it. Texts are in the arena, but constants. */
struct tls_result {
	enum tls_outcome outcome;
	/* Not TLS_OK: for the queue, "Server certificate not trusted: self-signed certificate". */
	struct str why;
	/* RFC 8460 4.3: "certificate-expired", "validation-failure", …; NULL with TLS_OK. */
	const char *report;
	/* TLS_OK under a policy with an audit: what that would have refused, as REPORT and WHY are; or NULL. */
	const char *audit;
	struct str audit_why;
	bool trusted;  /* the certificate's chain leads to a trust anchor */
	bool verified; /* and the certificate has a name, or digest, that the policy asks for */
	bool reused;   /* an earlier session was resumed */
	bool
	    offered; /* an earlier session was offered: a failure may be due to that; it is forgotten now */
	struct str protocol; /* "TLSv1.3" */
	struct str cipher;   /* "TLS_AES_256_GCM_SHA384" */
	int cipher_bits, cipher_bits_max;
	/* "Trusted TLS connection established to host[addr]:port: TLSv1.3 with cipher … (256/256 bits) …" */
	struct str summary;
};

/*
 * Shakes hands over S (after STARTTLS was accepted, or at once) and looks at the certificate as the policy
 * demands. Takes at most smtp_starttls_timeout in all; changes the stream's timeout. Input that is
 * buffered is what nobody may have sent yet: it makes the handshake fail. On any other outcome than
 * TLS_OK the stream is of no use any more, but must be closed. Logs as smtp_tls_loglevel says. Waits.
 */
enum tls_outcome tls_client_start(struct stream *s, struct tls_client *c,
    const struct tls_policy *p, const struct tls_target *target, struct arena *a,
    struct tls_result *r);

/* The status code that goes with any outcome but TLS_OK. */
#define TLS_DSN "4.7.5"

/* How a delivery used TLS, for the word after "tls=" of its log line (smtp_log_tls_feature_status). */
enum tls_feature {
	TLS_FEATURE_USED,    /* "secure" */
	TLS_FEATURE_UNTRIED, /* "secure?": the connection failed earlier */
	TLS_FEATURE_FAILED, /* "!secure": TLS was demanded and could not be had, or the server is not who … */
	TLS_FEATURE_IN_CLEAR, /* "may:none": went without; at the level none, "none" */
};
void tls_feature_status(enum tls_level level, enum tls_feature feature, struct buf *out);

#endif
