/*
 * fuzz_tls - values of policy maps, versions of TLS, certificates of strangers, TLSA records
 *
 * The first byte chooses which. A policy that is taken can be used as it stands, and one that is not has a
 * cause; whatever is in a certificate, what is told of it can be printed, and a name that is not in it as
 * bytes is not matched.
 */
#include <openssl/err.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/tls/internal.h"
#include "tests/fuzz/fuzz.h"

static struct tls_client *client;
static struct arena *arena;

static void
must_print(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		must((unsigned char)text.data[i] >= 0x20 && text.data[i] != 0x7f, "not printable");
}

static void
try_policy(struct str value)
{
	struct tls_policy p;
	struct buf why = {0};
	SSL *ssl;

	if (!tls_policy_parse(client, value, arena, &p, &why)) {
		must(why.len > 0, "refused without a cause");
	} else if (p.level != TLS_NONE) {
		must(why.len == 0, "taken, with a cause against it");
		ssl = SSL_new(client->ctx);
		tls_versions_apply(ssl, &p);
		must(SSL_set_cipher_list(ssl, arena_cstr(arena, p.cipher_list)) == 1, "ciphers");
		must(SSL_get_min_proto_version(ssl) >= 0, "versions");
		SSL_free(ssl);
	}
	tls_client_preload(client, STR("secure"));
	buf_free(&why);
}

static void
try_versions(struct str list)
{
	struct tls_versions v;
	struct buf why = {0};

	must(tls_versions_parse(list, &v, &why) == (why.len == 0), "versions without a cause");
	buf_free(&why);
}

/* Is NAME's text somewhere in the bytes, in any case of letters? */
static bool
contains(struct str bytes, struct str name)
{
	for (size_t i = 0; i + name.len <= bytes.len; i++)
		if (str_eq_nocase(str_sub(bytes, i, name.len), name))
			return true;
	return false;
}

static void
try_certificate(struct str der)
{
	const unsigned char *at = (const unsigned char *)der.data;
	X509 *cert = d2i_X509(NULL, &at, (long)der.len);
	struct str match = STR("hostname"), host = STR("mx.example.org");
	struct tls_policy p = {.matches = &match, .n_matches = 1};
	struct tls_target t = {host, STR("example.org"), STR("peer")};
	struct buf text = {0};

	if (cert) {
		tls_names_text(cert, &text);
		tls_common_name(X509_get_issuer_name(cert), &text);
		tls_time_text(X509_get0_notAfter(cert), &text);
		must_print(buf_view(&text));
		must(text.len < 8192, "endless names");
		tls_match_fingerprints(client, cert, &p);
		if (tls_match_names(client, cert, &p, &t, arena))
			must(contains(der, host) || contains(der, STR("*.example.org")) ||
				memchr(der.data, '\0', der.len),
			    "a name from nowhere");
	}
	ERR_clear_error();
	X509_free(cert);
	buf_free(&text);
}

static void
try_record(struct str bytes)
{
	struct tls_tlsa r;
	SSL *ssl;

	if (bytes.len < 3)
		return;
	r = (struct tls_tlsa){(uint8_t)(bytes.data[0] & 3), (uint8_t)(bytes.data[1] & 1),
	    (uint8_t)(bytes.data[2] & 3), str_from(bytes, 3)};
	if (!tls_tlsa_usable(client, &r))
		return;
	/* What counts as usable is what OpenSSL can use. */
	ssl = SSL_new(client->ctx);
	must(SSL_dane_enable(ssl, "mx.example.org") == 1, "dane");
	must(SSL_dane_tlsa_add(ssl, r.usage, r.selector, r.matching,
		 (const unsigned char *)r.data.data, r.data.len) == 1,
	    "a usable record that cannot be used");
	SSL_free(ssl);
	ERR_clear_error();
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct conf_problems problems = {0};
	struct conf *conf;

	(void)argc;
	(void)argv;
	setenv("SSL_CERT_FILE", "/nowhere", 1);
	setenv("SSL_CERT_DIR", "/nowhere", 1);
	conf = conf_load_text("/nowhere", STR("compatibility_level = 3.11\n"), NULL, 0, &problems);
	conf_problems_free(&problems);
	client = tls_client_prepare(conf, TLS_CLIENT_SMTP);
	arena = arena_new(0);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = str_n(data, size);

	if (size == 0)
		return 0;
	rest = str_from(rest, 1);
	switch (data[0] % 4) {
	case 0:
		try_policy(rest);
		break;
	case 1:
		try_versions(rest);
		break;
	case 2:
		try_certificate(rest);
		break;
	default:
		try_record(rest);
	}
	arena_reset(arena);
	return 0;
}
