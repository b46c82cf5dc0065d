/*
 * client - the handshake, on a fiber
 *
 * OpenSSL is called and returns; waiting is done here, outside of it. Everything that the policy says is
 * set on the connection, never on the context that connections share.
 */
#include <errno.h>
#include <openssl/dherr.h>
#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/tls/internal.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SERVER_NAME_MAX 255
/* Signatures and keys that prove something have 80 bits of strength at least (OpenSSL's level 1). */
#define AUTH_STRENGTH 1

/* The name in the server name extension; empty: none. */
static struct str
server_name(const struct tls_policy *p, const struct tls_target *target, struct arena *a)
{
	struct str name;

	/* An audit has to see what the stricter policy would see. */
	if (p->audit)
		p = p->audit;
	name = p->servername;
	/* RFC 7672 8.1: the TLSA base domain, whatever else is configured. */
	if (p->level == TLS_DANE || p->level == TLS_DANE_ONLY)
		name = tls_reference(p->tlsa_base, target, a);
	else if (name.len > 0)
		name = tls_reference(name, target, a);
	else if (p->level == TLS_VERIFY || p->level == TLS_SECURE)
		name = tls_reference(STR("hostname"), target, a);
	if (name.len > SERVER_NAME_MAX || tls_is_address(name) || memchr(name.data, '\0', name.len))
		return STR_EMPTY;
	return name;
}

static void
add_part(struct buf *b, struct str s)
{
	buf_printf(b, "%zu:", s.len);
	buf_str(b, s);
}

static void
add_tlsa(
    const struct tls_policy *p, const struct tls_target *target, struct arena *a, struct buf *out)
{
	bool names = false;

	add_part(out, tls_reference(p->tlsa_base, target, a));
	for (size_t i = 0; i < p->n_tlsa; i++) {
		const struct tls_tlsa *r = &p->tlsa[i];

		buf_printf(out, "%d %d %d ", r->usage, r->selector, r->matching);
		add_part(out, r->data);
		/* Of a key that is the server's own, names are not compared (RFC 7672 3.1.1). */
		names = names || r->usage != TLSA_DANE_EE;
	}
	if (names) {
		add_part(out, tls_reference(STR("hostname"), target, a));
		add_part(out, tls_reference(STR("nexthop"), target, a));
		add_part(out, tls_reference(p->tlsa_alias, target, a));
	}
}

void
tls_policy_key(
    const struct tls_policy *p, const struct tls_target *target, struct arena *a, struct buf *out)
{
	buf_printf(out, "%d ", p->level);
	if (p->level == TLS_NONE)
		return;
	buf_printf(out, "%d %d %d %d %zu %zu %d %d ", p->tls_min, p->tls_max, p->tls_excluded,
	    p->insecure_mx, p->n_matches, p->n_tlsa, p->anchors != NULL, p->audit != NULL);
	add_part(out, server_name(p, target, a));
	add_part(out, p->cipher_list);
	for (size_t i = 0; i < p->n_matches; i++)
		add_part(out, tls_reference(p->matches[i], target, a));
	if (p->anchors)
		add_part(out, str_c(p->anchors->path));
	if (p->level == TLS_DANE || p->level == TLS_DANE_ONLY)
		add_tlsa(p, target, a, out);
}

/* All that decides whether a session is good enough, and for whom it is. */
static void
session_key(struct tls_connection *t, const struct tls_policy *p, const struct tls_target *target,
    struct arena *a)
{
	struct buf b = {0};
	unsigned n = sizeof(t->key);

	buf_printf(&b, "%d ", t->client->kind);
	add_part(&b, target->peer);
	add_part(&b, target->host);
	add_part(&b, target->nexthop);
	tls_policy_key(p, target, a, &b);
	if (EVP_Digest(b.data, b.len, t->key, &n, EVP_sha256(), NULL) != 1)
		log_fatal("OpenSSL makes no digest: %s", tls_openssl_why());
	buf_free(&b);
}

static bool
offer_session(struct tls_connection *t)
{
	struct str kept =
	    tls_sessions_get(t->client->sessions, str_n(t->key, sizeof(t->key)), clock_mono_ms());
	const unsigned char *at = (const unsigned char *)kept.data;
	SSL_SESSION *session;
	bool ok;

	if (kept.len == 0)
		return false;
	session = d2i_SSL_SESSION(NULL, &at, (long)kept.len);
	ok = session && SSL_set_session(t->ssl, session) == 1;
	SSL_SESSION_free(session);
	ERR_clear_error();
	return ok;
}

/* Sets what the policy says; false when OpenSSL does not take it, which was tried before. */
static bool
configure(struct tls_connection *t, const struct tls_policy *p, const struct tls_target *target,
    struct arena *a)
{
	bool authenticates = tls_level_authenticates(p->level);
	struct str sni = server_name(p, target, a);

	tls_versions_apply(t->ssl, p);
	/* OpenSSL takes a tenth of a millisecond and two kilobytes for a list; the usual one it has. */
	if (!str_eq(p->cipher_list, t->client->usual_ciphers) &&
	    SSL_set_cipher_list(t->ssl, arena_cstr(a, p->cipher_list)) != 1)
		return false;
	/* A server that could be made to continue another's session (RFC 5746) proves nothing. */
	if (authenticates)
		SSL_clear_options(t->ssl, SSL_OP_LEGACY_SERVER_CONNECT);
	SSL_set_verify(t->ssl, SSL_VERIFY_PEER, tls_verify_callback);
	SSL_set_verify_depth(t->ssl, t->client->depth);
	X509_VERIFY_PARAM_set_auth_level(
	    SSL_get0_param(t->ssl), authenticates || p->audit ? AUTH_STRENGTH : 0);
	if ((p->n_tlsa > 0 || p->anchors) && !tls_dane_apply(t, p, target, a))
		return false;
	if (sni.len > 0 && SSL_set_tlsext_host_name(t->ssl, arena_cstr(a, sni)) != 1)
		return false;
	session_key(t, p, target, a);
	return true;
}

/* --- The handshake --------------------------------------------------------------------------------- */

static enum tls_outcome
fail(struct tls_result *r, enum tls_outcome outcome, const char *report, struct str why)
{
	r->outcome = outcome;
	r->report = report;
	r->why = why;
	return outcome;
}

/* OpenSSL's reasons that say little to who has not read the RFCs. */
static const char *
plain_reason(unsigned long code)
{
	static const struct {
		int reason;
		const char *words;
	} table[] = {
	    {SSL_R_WRONG_VERSION_NUMBER, "the server does not speak TLS here"},
	    {SSL_R_HTTP_REQUEST, "the server does not speak TLS here"},
	    {SSL_R_UNEXPECTED_MESSAGE, "the server does not speak TLS here"},
	    {SSL_R_UNSUPPORTED_PROTOCOL, "no version of TLS in common"},
	    {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, "no version of TLS in common"},
	    {SSL_R_VERSION_TOO_LOW, "no version of TLS in common"},
	    {SSL_R_NO_PROTOCOLS_AVAILABLE, "no version of TLS is allowed"},
	    {SSL_R_NO_CIPHERS_AVAILABLE, "no cipher is allowed"},
	    {SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, "the server found no cipher in common"},
	    {SSL_R_DH_KEY_TOO_SMALL, "the server's key exchange is too weak"},
	};

	if (ERR_GET_LIB(code) == ERR_LIB_SSL)
		for (size_t i = 0; i < COUNT(table); i++)
			if (ERR_GET_REASON(code) == table[i].reason)
				return table[i].words;
	if (ERR_GET_LIB(code) == ERR_LIB_DH && ERR_GET_REASON(code) == DH_R_MODULUS_TOO_LARGE)
		return "the server's key exchange costs too much";
	return ERR_reason_error_string(code);
}

static enum tls_outcome
handshake_failed(struct tls_result *r, struct arena *a, int error, int saved_errno)
{
	unsigned long code = ERR_peek_error();
	const char *words = plain_reason(code);

	ERR_clear_error();
	if (error == SSL_ERROR_SYSCALL || (error == SSL_ERROR_ZERO_RETURN) ||
	    (ERR_GET_LIB(code) == ERR_LIB_SSL &&
		ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING))
		return fail(r, TLS_LOST, "validation-failure",
		    arena_printf(a, "Cannot start TLS: lost connection during the handshake%s%s",
			saved_errno != 0 ? ": " : "",
			saved_errno != 0 ? strerror(saved_errno) : ""));
	return fail(r, TLS_HANDSHAKE_FAILED, "validation-failure",
	    arena_printf(
		a, "Cannot start TLS: handshake failure: %s", words ? words : "no reason given"));
}

static enum tls_outcome
wait_failed(struct tls_result *r, struct arena *a, enum stream_status status)
{
	if (status == STREAM_CANCELED)
		return fail(r, TLS_CANCELED, NULL, STR("Cannot start TLS: canceled"));
	return fail(r, TLS_LOST, "validation-failure",
	    arena_printf(
		a, "Cannot start TLS: %s during the handshake", stream_status_text(status)));
}

static enum tls_outcome
shake_hands(struct stream *s, struct tls_connection *t, struct arena *a, struct tls_result *r)
{
	fiber_deadline end =
	    t->client->handshake_ms > 0 ? fiber_after(t->client->handshake_ms) : FIBER_FOREVER;

	for (;;) {
		enum stream_status status;
		int rc, error, saved;

		ERR_clear_error();
		errno = 0;
		rc = SSL_connect(t->ssl);
		saved = errno;
		if (rc == 1)
			return TLS_OK;
		error = SSL_get_error(t->ssl, rc);
		if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
			return handshake_failed(r, a, error, saved);
		if (fiber_now() >= end)
			return wait_failed(r, a, STREAM_TIMEOUT);
		stream_timeout(s, end == FIBER_FOREVER ? 0 : end - fiber_now());
		status = stream_wait(s, error == SSL_ERROR_WANT_READ ? FIBER_READ : FIBER_WRITE);
		if (status != STREAM_OK)
			return wait_failed(r, a, status);
	}
}

/* From here on new sessions are kept; one of TLS 1.2 has come already. */
static void
keep_sessions(struct tls_connection *t, const struct tls_result *r)
{
	SSL_SESSION *session = SSL_get0_session(t->ssl);

	t->keep = true;
	if (!r->reused && session && SSL_version(t->ssl) < TLS1_3_VERSION)
		tls_new_session(t->ssl, session);
}

static enum tls_outcome
connect_and_judge(struct stream *s, struct tls_connection *t, const struct tls_policy *p,
    const struct tls_target *target, struct arena *a, struct tls_result *r)
{
	r->offered = offer_session(t);
	r->outcome = shake_hands(s, t, a, r);
	if (r->outcome == TLS_OK) {
		r->reused = SSL_session_reused(t->ssl) == 1;
		r->outcome = tls_judge(t, p, target, a, r);
		tls_describe(t->ssl, target, a, r);
	}
	if (r->outcome == TLS_OK)
		keep_sessions(t, r);
	else
		tls_sessions_drop(t->client->sessions, str_n(t->key, sizeof(t->key)));
	return r->outcome;
}

static void
log_outcome(const struct tls_client *c, const struct tls_target *target, const struct tls_result *r)
{
	if (c->loglevel < 1)
		return;
	if (r->summary.len > 0)
		log_info("%.*s", STR_ARG(r->summary));
	if (r->outcome == TLS_NOT_TRUSTED || r->outcome == TLS_HANDSHAKE_FAILED ||
	    r->outcome == TLS_LOST)
		log_info("%.*s: %.*s", STR_ARG(target->peer), STR_ARG(r->why));
}

enum tls_outcome
tls_client_start(struct stream *s, struct tls_client *c, const struct tls_policy *p,
    const struct tls_target *target, struct arena *a, struct tls_result *r)
{
	size_t early = stream_buffered(s);
	struct tls_connection *t;

	*r = (struct tls_result){0};
	if (c->fault.len > 0)
		return fail(r, TLS_MISCONFIGURED, NULL,
		    arena_printf(
			a, "TLS is not possible with this configuration: %s", tls_client_fault(c)));
	if (p->level == TLS_NONE || stream_get_fd(s) < 0)
		return fail(
		    r, TLS_MISCONFIGURED, NULL, STR("TLS was to be started where there is none"));
	if ((p->level == TLS_DANE || p->level == TLS_DANE_ONLY) && p->n_tlsa == 0)
		return fail(r, TLS_MISCONFIGURED, "tlsa-invalid",
		    STR("Server cannot be verified: no TLSA records were looked up"));
	/* A server has nothing to say before the client has: somebody else did. */
	if (early > 0)
		return fail(r, TLS_HANDSHAKE_FAILED, "validation-failure",
		    arena_printf(
			a, "Cannot start TLS: %zu bytes came in clear after STARTTLS", early));
	if (c->loglevel >= 2)
		log_info("setting up TLS connection to %.*s", STR_ARG(target->peer));
	t = tls_connection_new(c, stream_get_fd(s), target->peer);
	if (configure(t, p, target, a))
		connect_and_judge(s, t, p, target, a, r);
	else
		fail(r, TLS_MISCONFIGURED, NULL,
		    arena_printf(a, "OpenSSL does not take the TLS policy: %s", tls_openssl_why()));
	log_outcome(c, target, r);
	/* A server that is not trusted is at least told goodbye, by the close of the stream. */
	if (r->outcome == TLS_OK || r->outcome == TLS_NOT_TRUSTED)
		stream_set_io(s, &tls_stream_io, t);
	else
		tls_connection_free(t);
	return r->outcome;
}
