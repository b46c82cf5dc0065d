/* internal - what the files of lib/tls share; nobody outside includes it */
#ifndef POSTKEEP_TLS_INTERNAL_H
#define POSTKEEP_TLS_INTERNAL_H

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "lib/base/hash.h"
#include "lib/base/list.h"
#include "lib/tls/tls.h"

/* --- settings.c ------------------------------------------------------------------------------- */

/* Settings that exist once for each kind of client. */
enum tls_setting {
	SET_CAFILE,
	SET_CAPATH,
	SET_CHAIN_FILES,
	SET_CERT_FILE,
	SET_KEY_FILE,
	SET_DCERT_FILE,
	SET_DKEY_FILE,
	SET_ECCERT_FILE,
	SET_ECKEY_FILE,
	SET_LEVEL,
	SET_USE,
	SET_ENFORCE,
	SET_ENFORCE_NAME,
	SET_PROTOCOLS,
	SET_MANDATORY_PROTOCOLS,
	SET_CIPHERS,
	SET_MANDATORY_CIPHERS,
	SET_EXCLUDE,
	SET_MANDATORY_EXCLUDE,
	SET_FINGERPRINTS,
	SET_FINGERPRINT_DIGEST,
	SET_VERIFY_MATCH,
	SET_SECURE_MATCH,
	SET_SERVERNAME,
	SET_DEPTH,
	SET_LOGLEVEL,
	SET_REUSE,
	SET_RPK,
	SET_ANCHORS,
	SET_CACHE_TIMEOUT,
	SET_STARTTLS_TIMEOUT,
	SETTINGS,
};

#define LEVELS (TLS_SECURE + 1)

struct tls_anchors;

typedef int tls_security_callback(
    const SSL *ssl, const SSL_CTX *ctx, int op, int bits, int nid, void *other, void *ex);

struct tls_client {
	const struct conf *conf;
	enum tls_client_kind kind;
	SSL_CTX *ctx;
	tls_security_callback *security; /* OpenSSL's own, behind ours */
	struct buf fault;                /* the first one's text, with a NUL; empty: none */
	struct conf_problems *problems;  /* where all of them go (tls_client_check()), or NULL */
	struct arena *arena;
	struct tls_policy policies[LEVELS]; /* main.cf's for each level */
	enum tls_level level;
	struct str usual_ciphers; /* those of the context */
	const EVP_MD *digest;     /* of fingerprints */
	bool multi_label;         /* tls_wildcard_matches_multiple_labels */
	enum tls_level insecure_mx;
	int depth;
	int loglevel;
	int64_t handshake_ms;
	struct hash *anchors; /* path to struct tls_anchors */
	struct hash *files;   /* what was read; values are the path itself */
	struct tls_sessions *sessions;
};

enum param tls_param(const struct tls_client *c, enum tls_setting s);
struct str tls_setting(const struct tls_client *c, enum tls_setting s);
/* Takes note of a fault of the parameter P; the text begins with its name. */
void tls_fault(struct tls_client *c, enum param p, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for what still works: tls_client_check() tells it as a warning, else it is logged. */
void tls_doubt(struct tls_client *c, enum param p, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Reads PATH (which P names) to the end of FILE; false after taking note of a fault. */
bool tls_read_file(struct tls_client *c, enum param p, const char *path, struct buf *file);
void tls_note_file(struct tls_client *c, const char *path);
/* What OpenSSL has to say about the last failure, in words; empties its queue. */
const char *tls_openssl_why(void);

/* --- protocols.c: versions and ciphers -------------------------------------------------------- */

/* Versions are counted: 0 = no limit, 1 = SSLv3 … 5 = TLSv1.3; in tls_excluded they are bits. */
#define VERSION_SSL3 1
#define VERSION_TLS12 4
#define VERSION_TLS13 5

struct tls_versions {
	uint8_t min, max, excluded;
};
bool tls_versions_parse(struct str list, struct tls_versions *v, struct buf *why);
/* Sets them for one connection. */
void tls_versions_apply(SSL *ssl, const struct tls_policy *p);
/*
 * OpenSSL's list for ciphers of GRADE ("medium") at LEVEL, without those of the N lists EXCLUDE. False:
 * WHY, and *AT is which of them is at fault; N: the grade.
 */
bool tls_cipher_list(const struct tls_client *c, struct str grade, enum tls_level level,
    const struct str *exclude, size_t n, struct buf *list, struct buf *why, size_t *at);

/* --- policy.c ---------------------------------------------------------------------------------- */

/* Fills c->policies, and takes note of faults in what they come from. */
void tls_load_policies(struct tls_client *c);

/* --- trust.c, identity.c: files ---------------------------------------------------------------- */

/* Certificates and keys that alone are trusted, as records of usage 2. */
struct tls_anchors {
	char *path;
	struct tls_tlsa *records;
	size_t n;
};
void tls_load_authorities(struct tls_client *c);
void tls_anchors_free(void *anchors);
void tls_load_identity(struct tls_client *c);

/* --- names.c: who the server is ---------------------------------------------------------------- */

/* The names that stand for a reference ("hostname", "nexthop", "dot-nexthop", a name), '.' at the end
 * taken off; empty if there is none. */
struct str tls_reference(struct str match, const struct tls_target *t, struct arena *a);
/* The flags that X509_check_host() takes. */
unsigned tls_name_flags(const struct tls_client *c);
/* Has CERT one of the names that the policy's matches stand for? */
bool tls_match_names(const struct tls_client *c, X509 *cert, const struct tls_policy *p,
    const struct tls_target *t, struct arena *a);
/* The fingerprints of a certificate, and of its key, in the form "AA:BB:…"; false if there is none. */
bool tls_fingerprint(const struct tls_client *c, X509 *cert, struct buf *out);
bool tls_key_fingerprint(const struct tls_client *c, X509 *cert, struct buf *out);
bool tls_match_fingerprints(const struct tls_client *c, X509 *cert, const struct tls_policy *p);
/* A point in time of a certificate, "2026-11-22 13:00 UTC". */
void tls_time_text(const ASN1_TIME *t, struct buf *out);
/* Names in a certificate, for texts; at most a few. */
void tls_names_text(X509 *cert, struct buf *out);
void tls_common_name(const X509_NAME *name, struct buf *out);
/* Is NAME an address, which cannot be sent as server name? */
bool tls_is_address(struct str name);

/* --- connection.c: the layer under a stream ---------------------------------------------------- */

/* A connection; ours while the handshake lasts, the stream's afterwards. */
struct tls_connection {
	SSL *ssl;
	struct tls_client *client;
	char *peer;            /* for texts */
	unsigned char key[32]; /* where its sessions are kept */
	bool keep;             /* sessions may be kept: the server is who it should be */
	bool failed;           /* OpenSSL allows no goodbye after a fatal error */
	unsigned tickets;
	int verify_error; /* the first one, X509_V_OK */
	int verify_depth;
	X509 *verify_cert; /* the certificate it is about */
};
extern const struct stream_io tls_stream_io;
struct tls_connection *tls_connection_new(struct tls_client *c, int fd, struct str peer);
void tls_connection_free(struct tls_connection *t);
struct tls_connection *tls_connection_of(const SSL *ssl);
/* What SSL_CTX_sess_set_new_cb() wants: keeps what the server sends. */
int tls_new_session(SSL *ssl, SSL_SESSION *session);

/* --- verify.c ----------------------------------------------------------------------------------- */

int tls_verify_callback(int ok, X509_STORE_CTX *ctx);
/* Looks at what was found during the handshake: sets trusted, verified and, on refusal, the rest. */
enum tls_outcome tls_judge(struct tls_connection *t, const struct tls_policy *p,
    const struct tls_target *target, struct arena *a, struct tls_result *r);

/* RFC 7218: the numbers in TLSA records. */
#define TLSA_DANE_TA 2
#define TLSA_DANE_EE 3
#define TLSA_CERT 0
#define TLSA_SPKI 1
#define TLSA_FULL 0
#define TLSA_SHA256 1
#define TLSA_SHA512 2

/* --- dane.c ------------------------------------------------------------------------------------- */

bool tls_dane_apply(struct tls_connection *t, const struct tls_policy *p,
    const struct tls_target *target, struct arena *a);

/* --- describe.c --------------------------------------------------------------------------------- */

void tls_describe(SSL *ssl, const struct tls_target *target, struct arena *a, struct tls_result *r);

/* --- sessions.c: sessions to be resumed --------------------------------------------------------- */

/* At most so many sessions, bytes in all, bytes of one. */
#define SESSIONS_MAX 2000
#define SESSIONS_BYTES ((size_t)4 * 1024 * 1024)
#define SESSION_BYTES ((size_t)16 * 1024)

struct tls_sessions;
struct tls_sessions *tls_sessions_new(int64_t seconds);
void tls_sessions_free(struct tls_sessions **s);
/* NOW is clock_mono_ms(). Replaces an older one of KEY. */
void tls_sessions_put(struct tls_sessions *s, struct str key, struct str session, int64_t now);
/* The session, or an empty string; good until the next call. */
struct str tls_sessions_get(struct tls_sessions *s, struct str key, int64_t now);
void tls_sessions_drop(struct tls_sessions *s, struct str key);
size_t tls_sessions_count(const struct tls_sessions *s);
size_t tls_sessions_bytes(const struct tls_sessions *s);

#endif
