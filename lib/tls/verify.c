/*
 * verify - is the server who it should be?
 *
 * OpenSSL checks the chain during the handshake and tells each error to tls_verify_callback(), which lets
 * the handshake go on: what follows from an error is decided afterwards, by the level, so that the reason
 * can be told in words.
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/tls/internal.h"

int
tls_verify_callback(int ok, X509_STORE_CTX *ctx)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_connection *t = ssl ? tls_connection_of(ssl) : NULL;
	X509 *cert = X509_STORE_CTX_get_current_cert(ctx);

	if (!t)
		return ok;
	if (!ok && t->verify_error == X509_V_OK) {
		t->verify_error = X509_STORE_CTX_get_error(ctx);
		t->verify_depth = X509_STORE_CTX_get_error_depth(ctx);
		if (cert && X509_up_ref(cert) == 1)
			t->verify_cert = cert;
	}
	/* What stays here is kept with the session, and is its result when it is resumed. */
	X509_STORE_CTX_set_error(ctx, t->verify_error);
	return 1;
}

/* --- Words ---------------------------------------------------------------------------------------- */

static void
add_issuer(X509 *cert, struct buf *out)
{
	struct buf name = {0};

	if (cert)
		tls_common_name(X509_get_issuer_name(cert), &name);
	if (name.len > 0)
		buf_printf(out, "its issuer \"%.*s\" is not among the trusted authorities",
		    STR_ARG(buf_view(&name)));
	else
		buf_puts(out, "its issuer is not among the trusted authorities");
	buf_free(&name);
}

static void
add_time(const struct tls_connection *t, const char *words, bool end, struct buf *out)
{
	if (t->verify_depth > 0)
		buf_puts(out, "the certificate of an authority ");
	buf_puts(out, words);
	if (t->verify_cert) {
		buf_putc(out, ' ');
		tls_time_text(
		    end ? X509_get0_notAfter(t->verify_cert) : X509_get0_notBefore(t->verify_cert),
		    out);
	}
}

/* Why the chain is not trusted; returns what RFC 8460 4.3 calls it. */
static const char *
chain_words(const struct tls_connection *t, struct buf *out)
{
	switch (t->verify_error) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		add_time(t, "expired on", true, out);
		return "certificate-expired";
	case X509_V_ERR_CERT_NOT_YET_VALID:
		add_time(t, "not valid before", false, out);
		return "certificate-not-trusted";
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		buf_puts(out, "self-signed certificate");
		return "certificate-not-trusted";
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		add_issuer(t->verify_cert, out);
		return "certificate-not-trusted";
	case X509_V_ERR_INVALID_PURPOSE:
		buf_puts(out, "it is not made for servers");
		return "certificate-not-trusted";
	case X509_V_ERR_CERT_CHAIN_TOO_LONG:
		buf_puts(out, "its chain is longer than smtp_tls_scert_verifydepth");
		return "certificate-not-trusted";
	case X509_V_ERR_EE_KEY_TOO_SMALL:
	case X509_V_ERR_CA_KEY_TOO_SMALL:
	case X509_V_ERR_CA_MD_TOO_WEAK:
		buf_puts(out, "a key or signature in its chain is too weak");
		return "certificate-not-trusted";
	case X509_V_ERR_DANE_NO_MATCH:
		buf_puts(out, "no TLSA record matches it");
		return "validation-failure";
	case X509_V_ERR_HOSTNAME_MISMATCH:
		return "certificate-host-mismatch";
	default:
		buf_puts(out, X509_verify_cert_error_string(t->verify_error));
		return "certificate-not-trusted";
	}
}

/* "it is for a.example, b.example; not for c.example" */
static void
mismatch_words(X509 *cert, const struct str *names, size_t n, struct buf *out)
{
	struct buf has = {0};

	tls_names_text(cert, &has);
	if (has.len > 0)
		buf_printf(out, "it does not match: it is for %.*s", STR_ARG(buf_view(&has)));
	else
		buf_puts(out, "it does not match: it has no name");
	buf_free(&has);
	for (size_t i = 0; i < n; i++)
		if (names[i].len > 0)
			buf_printf(out, "%s%.*s", i == 0 ? ", not for " : " or ",
			    STR_ARG(str_sub(names[i], 0, 255)));
}

/* --- By level --------------------------------------------------------------------------------------- */

static enum tls_outcome
refuse(
    struct tls_result *r, struct arena *a, const char *what, const char *report, struct buf *words)
{
	r->why = arena_printf(a, "Server certificate %s: %.*s", what, STR_ARG(buf_view(words)));
	r->report = report;
	r->outcome = TLS_NOT_TRUSTED;
	buf_free(words);
	return r->outcome;
}

static enum tls_outcome
refuse_chain(struct tls_connection *t, struct arena *a, struct tls_result *r)
{
	struct buf words = {0};
	const char *report = chain_words(t, &words);

	return refuse(r, a, "not trusted", report, &words);
}

static enum tls_outcome
judge_fingerprint(struct tls_connection *t, X509 *cert, const struct tls_policy *p, struct arena *a,
    struct tls_result *r)
{
	struct buf words = {0};

	r->trusted = r->verified = tls_match_fingerprints(t->client, cert, p);
	if (r->verified)
		return TLS_OK;
	if (p->n_matches == 0)
		buf_puts(&words, "there is no fingerprint to compare with");
	else
		buf_puts(&words, "it does not match: its fingerprint is ");
	if (p->n_matches > 0 && !tls_fingerprint(t->client, cert, &words))
		buf_puts(&words, "not known");
	return refuse(r, a, "not verified", "validation-failure", &words);
}

static enum tls_outcome
judge_dane(struct tls_connection *t, X509 *cert, const struct tls_policy *p, struct arena *a,
    struct tls_result *r)
{
	const struct str names[] = {p->tlsa_base};
	struct buf words = {0};

	r->trusted = t->verify_error == X509_V_OK;
	r->verified = r->trusted && !p->insecure_mx;
	if (r->trusted)
		return TLS_OK;
	if (t->verify_error != X509_V_ERR_HOSTNAME_MISMATCH)
		return refuse_chain(t, a, r);
	mismatch_words(cert, names, 1, &words);
	return refuse(r, a, "not verified", "certificate-host-mismatch", &words);
}

static enum tls_outcome
judge_names(struct tls_connection *t, X509 *cert, const struct tls_policy *p,
    const struct tls_target *target, struct arena *a, struct tls_result *r)
{
	struct str *names = arena_array(a, p->n_matches + 1, sizeof(*names));
	struct buf words = {0};

	r->trusted = t->verify_error == X509_V_OK;
	if (!r->trusted)
		return refuse_chain(t, a, r);
	r->verified = tls_match_names(t->client, cert, p, target, a);
	if (r->verified)
		return TLS_OK;
	for (size_t i = 0; i < p->n_matches; i++)
		names[i] = tls_reference(p->matches[i], target, a);
	mismatch_words(cert, names, p->n_matches, &words);
	return refuse(r, a, "not verified", "certificate-host-mismatch", &words);
}

/* What would POLICY say? */
static void
audit(struct tls_connection *t, X509 *cert, const struct tls_policy *policy,
    const struct tls_target *target, struct arena *a, struct tls_result *r)
{
	struct tls_result would = {0};

	if (SSL_version(t->ssl) < TLS1_2_VERSION) {
		r->audit = "validation-failure";
		r->audit_why = STR("it speaks no TLS 1.2");
	} else if (!cert) {
		r->audit = "certificate-not-trusted";
		r->audit_why = STR("Server certificate not trusted: the server has shown none");
	} else if (judge_names(t, cert, policy, target, a, &would) != TLS_OK) {
		r->audit = would.report;
		r->audit_why = would.why;
	}
}

static enum tls_outcome
judge(struct tls_connection *t, X509 *cert, const struct tls_policy *p,
    const struct tls_target *target, struct arena *a, struct tls_result *r)
{
	switch (p->level) {
	case TLS_NONE:
	case TLS_MAY:
	case TLS_ENCRYPT:
		r->trusted = t->verify_error == X509_V_OK;
		if (p->audit)
			audit(t, cert, p->audit, target, a, r);
		return TLS_OK;
	case TLS_FINGERPRINT:
		return judge_fingerprint(t, cert, p, a, r);
	case TLS_DANE:
	case TLS_DANE_ONLY:
		return judge_dane(t, cert, p, a, r);
	case TLS_VERIFY:
	case TLS_SECURE:
		return judge_names(t, cert, p, target, a, r);
	}
	log_panic("TLS level %d", (int)p->level);
}

static void
log_certificate(struct tls_connection *t, X509 *cert, const struct tls_target *target)
{
	struct buf subject = {0}, issuer = {0}, digest = {0}, key = {0};

	tls_common_name(X509_get_subject_name(cert), &subject);
	tls_common_name(X509_get_issuer_name(cert), &issuer);
	tls_fingerprint(t->client, cert, &digest);
	tls_key_fingerprint(t->client, cert, &key);
	log_info("%.*s: subject_CN=%.*s, issuer_CN=%.*s, fingerprint=%.*s, pkey_fingerprint=%.*s",
	    STR_ARG(target->peer), STR_ARG(buf_view(&subject)), STR_ARG(buf_view(&issuer)),
	    STR_ARG(buf_view(&digest)), STR_ARG(buf_view(&key)));
	buf_free(&subject);
	buf_free(&issuer);
	buf_free(&digest);
	buf_free(&key);
}

enum tls_outcome
tls_judge(struct tls_connection *t, const struct tls_policy *p, const struct tls_target *target,
    struct arena *a, struct tls_result *r)
{
	X509 *cert = SSL_get0_peer_certificate(t->ssl);
	struct buf words = {0};

	/* The chain of a resumed session was looked at when it was new. */
	if (r->reused)
		t->verify_error = (int)SSL_get_verify_result(t->ssl);
	if (cert && t->client->loglevel >= 2)
		log_certificate(t, cert, target);
	if (cert)
		return judge(t, cert, p, target, a, r);
	if (!tls_level_authenticates(p->level)) {
		if (p->audit)
			audit(t, NULL, p->audit, target, a, r);
		return TLS_OK;
	}
	buf_puts(&words, "the server has shown none");
	return refuse(r, a, "not trusted", "certificate-not-trusted", &words);
}
