/*
 * settings - what main.cf says of TLS, read once
 *
 * Runs before confinement, with the rights the process has then. A fault is kept as text and does not
 * end the program.
 */
#include <errno.h>
#include <openssl/conf.h>
#include <openssl/dherr.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/conf/params.h"
#include "lib/tls/internal.h"

/* Longest file of certificates. */
#define FILE_MAX ((size_t)16 * 1024 * 1024)
#define MS 1000
#define DH_BITS_MAX 4096 /* of a group without a name */

#define BOTH(name)                                                                                 \
	{                                                                                          \
		P_smtp_##name, P_lmtp_##name                                                       \
	}
static const enum param setting_params[SETTINGS][2] = {
    [SET_CAFILE] = BOTH(tls_CAfile),
    [SET_CAPATH] = BOTH(tls_CApath),
    [SET_CHAIN_FILES] = BOTH(tls_chain_files),
    [SET_CERT_FILE] = BOTH(tls_cert_file),
    [SET_KEY_FILE] = BOTH(tls_key_file),
    [SET_DCERT_FILE] = BOTH(tls_dcert_file),
    [SET_DKEY_FILE] = BOTH(tls_dkey_file),
    [SET_ECCERT_FILE] = BOTH(tls_eccert_file),
    [SET_ECKEY_FILE] = BOTH(tls_eckey_file),
    [SET_LEVEL] = BOTH(tls_security_level),
    [SET_USE] = BOTH(use_tls),
    [SET_ENFORCE] = BOTH(enforce_tls),
    [SET_ENFORCE_NAME] = BOTH(tls_enforce_peername),
    [SET_PROTOCOLS] = BOTH(tls_protocols),
    [SET_MANDATORY_PROTOCOLS] = BOTH(tls_mandatory_protocols),
    [SET_CIPHERS] = BOTH(tls_ciphers),
    [SET_MANDATORY_CIPHERS] = BOTH(tls_mandatory_ciphers),
    [SET_EXCLUDE] = BOTH(tls_exclude_ciphers),
    [SET_MANDATORY_EXCLUDE] = BOTH(tls_mandatory_exclude_ciphers),
    [SET_FINGERPRINTS] = BOTH(tls_fingerprint_cert_match),
    [SET_FINGERPRINT_DIGEST] = BOTH(tls_fingerprint_digest),
    [SET_VERIFY_MATCH] = BOTH(tls_verify_cert_match),
    [SET_SECURE_MATCH] = BOTH(tls_secure_cert_match),
    [SET_SERVERNAME] = BOTH(tls_servername),
    [SET_DEPTH] = BOTH(tls_scert_verifydepth),
    [SET_LOGLEVEL] = BOTH(tls_loglevel),
    [SET_REUSE] = BOTH(tls_connection_reuse),
    [SET_RPK] = BOTH(tls_enable_rpk),
    [SET_ANCHORS] = BOTH(tls_trust_anchor_file),
    [SET_CACHE_TIMEOUT] = BOTH(tls_session_cache_timeout),
    [SET_STARTTLS_TIMEOUT] = BOTH(starttls_timeout),
};

enum param
tls_param(const struct tls_client *c, enum tls_setting s)
{
	return setting_params[s][c->kind];
}

struct str
tls_setting(const struct tls_client *c, enum tls_setting s)
{
	return conf_str(c->conf, tls_param(c, s));
}

/* For tls_client_check(): once for each text, as all levels read the same lists. */
static void
tell(struct tls_client *c, enum conf_severity severity, enum param p, const char *text)
{
	const char *file = NULL;
	size_t line = 0;

	for (size_t i = 0; i < c->problems->count; i++)
		if (strcmp(c->problems->list[i].text, text) == 0)
			return;
	conf_is_set(c->conf, p, &file, &line);
	conf_problem(c->problems, severity, file, line, "%s", text);
}

/* With the name of the parameter in front. */
static void __attribute__((format(printf, 3, 0)))
put_text(struct buf *text, enum param p, const char *format, va_list ap)
{
	buf_printf(text, "%.*s: ", STR_ARG(param_name(p)));
	buf_vprintf(text, format, ap);
}

void
tls_fault(struct tls_client *c, enum param p, const char *format, ...)
{
	struct buf text = {0};
	va_list ap;

	va_start(ap, format);
	put_text(&text, p, format, ap);
	va_end(ap);
	if (c->problems)
		tell(c, CONF_WAITS, p, buf_cstr(&text));
	else if (c->fault.len == 0)
		log_warning("%s; mail that needs TLS waits", buf_cstr(&text));
	if (c->fault.len == 0) {
		buf_str(&c->fault, buf_view(&text));
		buf_cstr(&c->fault);
	}
	buf_free(&text);
}

void
tls_doubt(struct tls_client *c, enum param p, const char *format, ...)
{
	struct buf text = {0};
	va_list ap;

	va_start(ap, format);
	put_text(&text, p, format, ap);
	va_end(ap);
	if (c->problems)
		tell(c, CONF_WARNING, p, buf_cstr(&text));
	else
		log_warning("%s", buf_cstr(&text));
	buf_free(&text);
}

void
tls_note_file(struct tls_client *c, const char *path)
{
	if (!hash_get(c->files, str_c(path)))
		hash_put(c->files, str_c(path), arena_cstr(c->arena, str_c(path)));
}

bool
tls_read_file(struct tls_client *c, enum param p, const char *path, struct buf *file)
{
	tls_note_file(c, path);
	if (io_read_file(path, FILE_MAX, file) == 0)
		return true;
	tls_fault(c, p, "cannot read %s: %s", path, strerror(errno));
	return false;
}

const char *
tls_openssl_why(void)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(code);

	ERR_clear_error();
	return reason ? reason : code ? "unknown error of OpenSSL" : "no reason given";
}

/* The settings of OpenSSL itself: a file that is read here or never. */
static void
start_openssl(struct tls_client *c)
{
	struct str file = conf_str(c->conf, P_tls_config_file);
	struct str name = conf_str(c->conf, P_tls_config_name);
	OPENSSL_INIT_SETTINGS *settings = OPENSSL_INIT_new();
	uint64_t options = OPENSSL_INIT_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT;
	bool done, named = false;

	if (!settings)
		log_fatal("out of memory for OpenSSL");
	if (str_eq_nocase(file, STR("none")))
		options = OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT;
	else
		named = file.len > 0 && !str_eq_nocase(file, STR("default"));
	if (named)
		OPENSSL_INIT_set_config_filename(settings, conf_cstr(c->conf, P_tls_config_file));
	if (name.len > 0)
		OPENSSL_INIT_set_config_appname(settings, conf_cstr(c->conf, P_tls_config_name));
	OPENSSL_INIT_set_config_file_flags(settings,
	    named ? CONF_MFLAGS_DEFAULT_SECTION
		  : CONF_MFLAGS_DEFAULT_SECTION | CONF_MFLAGS_IGNORE_MISSING_FILE |
		    CONF_MFLAGS_IGNORE_RETURN_CODES);
	done = OPENSSL_init_crypto(options | OPENSSL_INIT_LOAD_CRYPTO_STRINGS, settings) == 1 &&
	    OPENSSL_init_ssl(options | OPENSSL_INIT_LOAD_SSL_STRINGS, settings) == 1;
	OPENSSL_INIT_free(settings);
	if (!done)
		tls_fault(c, P_tls_config_file, "OpenSSL does not start: %s", tls_openssl_why());
}

/* What OpenSSL would fetch when it is first used: algorithms of providers, and random numbers. */
static void
warm_up(void)
{
	static const char *const names[] = {
	    "SHA1", "SHA224", "SHA256", "SHA384", "SHA512", "MD5", NULL};
	unsigned char byte[1];

	for (size_t i = 0; names[i]; i++)
		EVP_MD_free(EVP_MD_fetch(NULL, names[i], NULL));
	if (RAND_bytes(byte, sizeof(byte)) != 1 || RAND_priv_bytes(byte, sizeof(byte)) != 1)
		log_warning("OpenSSL has no random numbers: %s", tls_openssl_why());
	ERR_clear_error();
}

static void
load_digest(struct tls_client *c)
{
	const char *name = conf_cstr(c->conf, tls_param(c, SET_FINGERPRINT_DIGEST));

	c->digest = EVP_get_digestbyname(name);
	if (!c->digest)
		tls_fault(c, tls_param(c, SET_FINGERPRINT_DIGEST),
		    "OpenSSL knows no digest \"%s\"; use sha256", name);
}

/* Which digests of TLSA records count, and which is the better one. SHA-256 must be known (RFC 7672). */
static void
load_dane_digests(struct tls_client *c)
{
	struct str rest = conf_str(c->conf, P_tls_dane_digests), item;
	uint8_t best = 0;

	if (SSL_CTX_dane_enable(c->ctx) != 1)
		log_warning("OpenSSL cannot use TLSA records: %s", tls_openssl_why());
	SSL_CTX_dane_mtype_set(c->ctx, NULL, TLSA_SHA512, 0);
	for (struct str count = rest; conf_list_next(&count, &item);)
		best++;
	while (conf_list_next(&rest, &item)) {
		if (str_eq_nocase(item, STR("sha512")))
			SSL_CTX_dane_mtype_set(c->ctx, EVP_sha512(), TLSA_SHA512, best);
		else if (str_eq_nocase(item, STR("sha256")))
			SSL_CTX_dane_mtype_set(c->ctx, EVP_sha256(), TLSA_SHA256, best);
		else
			tls_fault(c, P_tls_dane_digests,
			    "\"%.*s\" is no digest of TLSA records; use sha512 and sha256",
			    STR_ARG(item));
		best--;
	}
}

/*
 * A server chooses the group of a DHE exchange. OpenSSL takes one of 10,000 bits, which costs a second of the loop of
 * all sessions; the standard groups of more bits have names, and short exponents.
 */
static int
limit_cost(const SSL *ssl, const SSL_CTX *ctx, int op, int bits, int nid, void *other, void *ex)
{
	const struct tls_client *c = ex;
	char name[64];
	size_t len;

	if (op == SSL_SECOP_TMP_DH && other && EVP_PKEY_get_bits(other) > DH_BITS_MAX) {
		ERR_set_mark();
		if (EVP_PKEY_get_group_name(other, name, sizeof(name), &len) != 1) {
			ERR_pop_to_mark();
			ERR_raise(ERR_LIB_DH, DH_R_MODULUS_TOO_LARGE);
			return 0;
		}
		ERR_pop_to_mark();
	}
	return c->security(ssl, ctx, op, bits, nid, other, NULL);
}

static void
make_context(struct tls_client *c)
{
	c->ctx = SSL_CTX_new(TLS_client_method());
	if (!c->ctx)
		log_fatal("OpenSSL makes no context: %s", tls_openssl_why());
	SSL_CTX_set_options(c->ctx,
	    SSL_OP_ALL | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
		SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_LEGACY_SERVER_CONNECT);
	SSL_CTX_set_mode(c->ctx,
	    SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
		SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* Records without data (updates of keys, tickets) as fast as they come must not keep others waiting. */
	SSL_CTX_clear_mode(c->ctx, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_read_ahead(c->ctx, 1);
	/* Weak encryption is better than none; what must not be weak says verify.c and the policy. */
	SSL_CTX_set_security_level(c->ctx, 0);
	c->security = SSL_CTX_get_security_callback(c->ctx);
	SSL_CTX_set0_security_ex_data(c->ctx, c);
	SSL_CTX_set_security_callback(c->ctx, limit_cost);
	SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(c->ctx, tls_new_session);
	c->sessions = tls_sessions_new(conf_time(c->conf, tls_param(c, SET_CACHE_TIMEOUT)));
}

/*
 * The level of main.cf. Files from before there were levels have two switches; where no level is set they must not mean
 * less than they did.
 */
static enum tls_level
level_set(const struct tls_client *c)
{
	enum tls_level level = TLS_NONE;
	bool parsed = tls_level_parse(tls_setting(c, SET_LEVEL), &level);

	if (parsed && conf_is_set(c->conf, tls_param(c, SET_LEVEL), NULL, NULL))
		return level;
	if (conf_bool(c->conf, tls_param(c, SET_ENFORCE)))
		return conf_bool(c->conf, tls_param(c, SET_ENFORCE_NAME)) ? TLS_VERIFY
									  : TLS_ENCRYPT;
	if (conf_bool(c->conf, tls_param(c, SET_USE)))
		return TLS_MAY;
	return level;
}

static void
load_settings(struct tls_client *c)
{
	const struct conf *conf = c->conf;
	static const enum tls_level mx_policies[] = {TLS_MAY, TLS_ENCRYPT, TLS_DANE};

	c->depth = (int)conf_int(conf, tls_param(c, SET_DEPTH));
	c->loglevel = (int)conf_int(conf, tls_param(c, SET_LOGLEVEL));
	c->handshake_ms = conf_time(conf, tls_param(c, SET_STARTTLS_TIMEOUT)) * MS;
	c->multi_label = conf_bool(conf, P_tls_wildcard_matches_multiple_labels);
	c->insecure_mx = mx_policies[conf_enum(conf, P_smtp_tls_dane_insecure_mx_policy)];
	c->level = level_set(c);
}

/* Levels that need something else to be what they promise. Policy maps may have it, so this is no fault. */
static void
look_at_level(struct tls_client *c)
{
	enum param level = tls_param(c, SET_LEVEL);
	enum param dns =
	    c->kind == TLS_CLIENT_LMTP ? P_lmtp_dns_support_level : P_smtp_dns_support_level;

	if (c->level == TLS_FINGERPRINT && tls_setting(c, SET_FINGERPRINTS).len == 0)
		tls_doubt(c, level, "fingerprint: %.*s has none, so that mail waits",
		    STR_ARG(param_name(tls_param(c, SET_FINGERPRINTS))));
	if ((c->level == TLS_DANE || c->level == TLS_DANE_ONLY) &&
	    !str_eq(conf_str(c->conf, dns), STR("dnssec")))
		tls_doubt(c, level, "DANE needs %.*s = dnssec: without it %s",
		    STR_ARG(param_name(dns)),
		    c->level == TLS_DANE ? "nothing more is asked than by \"may\"" : "mail waits");
}

static struct tls_client *
prepare(const struct conf *conf, enum tls_client_kind kind, struct conf_problems *problems)
{
	struct tls_client *c = MEM_NEW(struct tls_client);

	c->conf = conf;
	c->kind = kind;
	c->problems = problems;
	c->arena = arena_new(0);
	c->anchors = hash_new();
	c->files = hash_new();
	load_settings(c);
	start_openssl(c);
	make_context(c);
	load_digest(c);
	load_dane_digests(c);
	tls_load_authorities(c);
	tls_load_identity(c);
	tls_load_policies(c);
	look_at_level(c);
	warm_up();
	return c;
}

struct tls_client *
tls_client_prepare(const struct conf *conf, enum tls_client_kind kind)
{
	return prepare(conf, kind, NULL);
}

struct tls_client *
tls_client_check(const struct conf *conf, enum tls_client_kind kind, struct conf_problems *problems)
{
	return prepare(conf, kind, problems);
}

void
tls_client_free(struct tls_client **pc)
{
	struct tls_client *c = *pc;

	if (!c)
		return;
	*pc = NULL;
	SSL_CTX_free(c->ctx);
	tls_sessions_free(&c->sessions);
	hash_free(&c->anchors, tls_anchors_free);
	hash_free(&c->files, NULL);
	arena_free(&c->arena);
	buf_free(&c->fault);
	free(c);
}

const char *
tls_client_fault(const struct tls_client *c)
{
	return c->fault.len > 0 ? c->fault.data : NULL;
}

void
tls_client_files(const struct tls_client *c, void (*fn)(const char *path, void *arg), void *arg)
{
	struct str path;
	size_t cursor = 0;
	void *value;

	while (hash_next(c->files, &cursor, &path, &value))
		fn(value, arg);
}
