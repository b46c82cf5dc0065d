/*
 * describe - a connection in words, in the shape that programs which read mail logs know
 */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

#include "lib/tls/internal.h"

/* Name of the curve of KEY, or empty. */
static void
curve_of(EVP_PKEY *key, struct buf *out)
{
	char name[64];
	size_t len;

	if (EVP_PKEY_get_group_name(key, name, sizeof(name), &len) == 1)
		buf_append(out, name, len);
	ERR_clear_error();
}

/* " key-exchange X25519", " key-exchange ECDHE (prime256v1)", " key-exchange DHE (2048 bits)" */
static void
add_exchange(SSL *ssl, struct buf *out)
{
	EVP_PKEY *key = NULL;

	if (SSL_get_peer_tmp_key(ssl, &key) != 1 || !key) {
		ERR_clear_error();
		return;
	}
	if (EVP_PKEY_is_a(key, "EC")) {
		buf_puts(out, " key-exchange ECDHE (");
		curve_of(key, out);
		buf_putc(out, ')');
	} else if (EVP_PKEY_is_a(key, "DH")) {
		buf_printf(out, " key-exchange DHE (%d bits)", EVP_PKEY_get_bits(key));
	} else {
		buf_printf(out, " key-exchange %s", EVP_PKEY_get0_type_name(key));
	}
	EVP_PKEY_free(key);
}

static void
add_key(const char *prefix, int signature, EVP_PKEY *key, struct buf *out)
{
	if (EVP_PKEY_is_a(key, "EC")) {
		buf_printf(out, " %s ECDSA (", prefix);
		curve_of(key, out);
		buf_putc(out, ')');
	} else if (EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS")) {
		buf_printf(out, " %s %s (%d bits)", prefix,
		    signature == NID_rsassaPss ? "RSA-PSS" : "RSA", EVP_PKEY_get_bits(key));
	} else {
		buf_printf(out, " %s %s", prefix, EVP_PKEY_get0_type_name(key));
	}
}

/* " server-signature RSA-PSS (2048 bits) server-digest SHA256" */
static void
add_signature(SSL *ssl, struct buf *out)
{
	X509 *cert = SSL_get0_peer_certificate(ssl);
	int signature = NID_undef, digest = NID_undef;

	if (cert && SSL_get_peer_signature_type_nid(ssl, &signature) == 1) {
		add_key("server-signature", signature, X509_get0_pubkey(cert), out);
		if (SSL_get_peer_signature_nid(ssl, &digest) == 1 && digest != NID_undef)
			buf_printf(out, " server-digest %s", OBJ_nid2sn(digest));
	}
	cert = SSL_get_certificate(ssl);
	if (cert && SSL_get_signature_type_nid(ssl, &signature) == 1 && signature != NID_undef) {
		add_key("client-signature", signature, X509_get0_pubkey(cert), out);
		if (SSL_get_signature_nid(ssl, &digest) == 1 && digest != NID_undef)
			buf_printf(out, " client-digest %s", OBJ_nid2sn(digest));
	}
	ERR_clear_error();
}

void
tls_describe(SSL *ssl, const struct tls_target *target, struct arena *a, struct tls_result *r)
{
	const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
	struct buf text = {0};
	const char *trust = !SSL_get0_peer_certificate(ssl) ? "Anonymous"
	    : r->verified                                   ? "Verified"
	    : r->trusted                                    ? "Trusted"
							    : "Untrusted";

	r->protocol = str_c(SSL_get_version(ssl));
	r->cipher = str_c(SSL_CIPHER_get_name(cipher));
	r->cipher_bits = SSL_CIPHER_get_bits(cipher, &r->cipher_bits_max);
	buf_printf(&text,
	    "%s TLS connection established to %.*s: %.*s with cipher %.*s (%d/%d bits)", trust,
	    STR_ARG(target->peer), STR_ARG(r->protocol), STR_ARG(r->cipher), r->cipher_bits,
	    r->cipher_bits_max);
	if (SSL_version(ssl) >= TLS1_3_VERSION) {
		add_exchange(ssl, &text);
		add_signature(ssl, &text);
	}
	r->summary = arena_str(a, buf_view(&text));
	buf_free(&text);
}

void
tls_feature_status(enum tls_level level, enum tls_feature feature, struct buf *out)
{
	if (level == TLS_NONE && feature != TLS_FEATURE_UNTRIED)
		feature = TLS_FEATURE_USED;
	buf_printf(out, "%s%s%s", feature == TLS_FEATURE_FAILED ? "!" : "", tls_level_name(level),
	    feature == TLS_FEATURE_UNTRIED        ? "?"
		: feature == TLS_FEATURE_IN_CLEAR ? ":none"
						  : "");
}
