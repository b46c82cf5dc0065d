/*
 * test_tls_names - is it the right server: names, digests, TLSA records; and the sessions that are kept
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "tests/unit/tls_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- Names -------------------------------------------------------------------------------------------- */

static EVP_PKEY *key;

static X509 *
make_cert(const char *common_name, GENERAL_NAMES *names)
{
	X509 *cert = X509_new();

	if (!key)
		key = EVP_EC_gen("P-256");
	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	if (common_name)
		X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8,
		    (const unsigned char *)common_name, -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	if (names)
		X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0);
	X509_sign(cert, key, EVP_sha256());
	return cert;
}

static GENERAL_NAMES *
dns_names(const struct str *texts, size_t n)
{
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();

	for (size_t i = 0; i < n; i++) {
		GENERAL_NAME *name = GENERAL_NAME_new();
		ASN1_IA5STRING *s = ASN1_IA5STRING_new();

		ASN1_STRING_set(s, texts[i].data, (int)texts[i].len);
		GENERAL_NAME_set0_value(name, GEN_DNS, s);
		sk_GENERAL_NAME_push(names, name);
	}
	return names;
}

/* A certificate for COMMON_NAME and DNS (NULL: no such names), of LEN bytes. */
static X509 *
cert_for(const char *common_name, const char *dns, size_t len)
{
	struct str text = {dns, len};
	GENERAL_NAMES *names = dns ? dns_names(&text, 1) : NULL;
	X509 *cert = make_cert(common_name, names);

	GENERAL_NAMES_free(names);
	return cert;
}

static void
test_names(void **state)
{
	static const struct {
		const char *common_name, *dns, *match, *host, *nexthop;
		bool ok;
	} cases[] = {
	    {NULL, "mx.example.org", "hostname", "mx.example.org", "example.org", true},
	    {NULL, "MX.Example.ORG", "hostname", "mx.example.org", "example.org", true},
	    {NULL, "mx.example.org", "hostname", "mx.example.org.", "example.org", true},
	    {NULL, "mx.example.org", "hostname", "mx2.example.org", "example.org", false},
	    {NULL, "mx.example.org", "nexthop", "mx.example.org", "example.org", false},
	    {NULL, "example.org", "nexthop", "mx.example.org", "example.org.", true},
	    {NULL, "mx.example.org", "dot-nexthop", "x", "example.org", true},
	    {NULL, "a.mx.example.org", "dot-nexthop", "x", "example.org", true},
	    {NULL, "example.org", "dot-nexthop", "x", "example.org", false},
	    {NULL, "mxexample.org", "dot-nexthop", "x", "example.org", false},
	    {NULL, "*.example.org", "dot-nexthop", "x", "example.org", true},
	    {NULL, "*.example.org", "hostname", "mx.example.org", "x", true},
	    {NULL, "*.example.org", "hostname", "example.org", "x", false},
	    {NULL, "*.example.org", "hostname", "a.mx.example.org", "x", true},
	    {NULL, "m*.example.org", "hostname", "mx.example.org", "x", false},
	    {NULL, "*", "hostname", "mx.example.org", "x", false},
	    {NULL, "mx.*.org", "hostname", "mx.example.org", "x", false},
	    {NULL, "mx.example.org", ".example.org", "x", "y", true},
	    {NULL, "mx.example.org", "mx.example.org.", "x", "y", true},
	    {NULL, "mx.example.org", "", "x", "y", false},
	    /* The common name counts only alone. */
	    {"mx.example.org", NULL, "hostname", "mx.example.org", "x", true},
	    {"mx.example.org", "other.example", "hostname", "mx.example.org", "x", false},
	    {"mx.example.org", "other.example", "other.example", "mx.example.org", "x", true},
	    {NULL, NULL, "hostname", "mx.example.org", "x", false},
	    {NULL, "mx.example.org", "hostname", "", "x", false},
	    {NULL, "mx.example.org", "dot-nexthop", "x", "", false},
	    {NULL, "192.0.2.1", "hostname", "192.0.2.1", "x", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		X509 *cert = cert_for(
		    cases[i].common_name, cases[i].dns, cases[i].dns ? strlen(cases[i].dns) : 0);
		struct str match = str_c(cases[i].match);
		struct tls_policy p = {.matches = &match, .n_matches = 1};
		struct tls_target t = {str_c(cases[i].host), str_c(cases[i].nexthop), STR("peer")};

		if (tls_match_names(client, cert, &p, &t, arena) != cases[i].ok)
			fail_msg(
			    "case %zu: %s %s %s", i, cases[i].dns, cases[i].match, cases[i].host);
		X509_free(cert);
	}
}

/* A NUL in a name ends nothing: neither the certificate's nor the one that is asked for. */
static void
test_nul(void **state)
{
	static const char with_nul[] = "mx.example.org\0.evil.example";
	struct str match = STR("hostname");
	struct tls_policy p = {.matches = &match, .n_matches = 1};
	struct tls_target t = {STR("mx.example.org"), STR("x"), STR("peer")};
	X509 *cert = cert_for(NULL, with_nul, sizeof(with_nul) - 1);
	struct buf text = {0};

	(void)state;
	assert_false(tls_match_names(client, cert, &p, &t, arena));
	t.host = str_n(with_nul, sizeof(with_nul) - 1);
	assert_false(tls_match_names(client, cert, &p, &t, arena));
	tls_names_text(cert, &text);
	assert_string_equal(buf_cstr(&text), "mx.example.org?.evil.example");
	X509_free(cert);
	cert = cert_for(NULL, "mx.example.org", 14);
	assert_false(tls_match_names(client, cert, &p, &t, arena));
	X509_free(cert);
	buf_free(&text);
}

static void
test_address(void **state)
{
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_OCTET_STRING *bytes = a2i_IPADDRESS("192.0.2.1");
	struct str match = STR("hostname");
	struct tls_policy p = {.matches = &match, .n_matches = 1};
	struct tls_target t = {STR("192.0.2.1"), STR("192.0.2.1"), STR("peer")};
	X509 *cert;

	(void)state;
	GENERAL_NAME_set0_value(name, GEN_IPADD, bytes);
	sk_GENERAL_NAME_push(names, name);
	cert = make_cert(NULL, names);
	assert_true(tls_match_names(client, cert, &p, &t, arena));
	t.host = STR("192.0.2.2");
	assert_false(tls_match_names(client, cert, &p, &t, arena));
	/* An address has no names below it. */
	assert_int_equal(tls_reference(STR("dot-nexthop"), &t, arena).len, 0);
	assert_true(tls_is_address(STR("2001:db8::1")));
	assert_false(tls_is_address(STR("mx.example.org")));
	assert_false(tls_is_address(STR("1.2.3")));
	assert_false(tls_is_address(str_n("1.2.3.4\0", 8)));
	X509_free(cert);
	GENERAL_NAMES_free(names);
}

static void
test_one_label(void **state)
{
	struct conf *c;
	struct tls_client *strict = client_of("tls_wildcard_matches_multiple_labels = no\n", &c);
	struct str match = STR("hostname");
	struct tls_policy p = {.matches = &match, .n_matches = 1};
	struct tls_target t = {STR("a.mx.example.org"), STR("x"), STR("peer")};
	X509 *cert = cert_for(NULL, "*.example.org", 13);

	(void)state;
	assert_false(tls_match_names(strict, cert, &p, &t, arena));
	t.host = STR("mx.example.org");
	assert_true(tls_match_names(strict, cert, &p, &t, arena));
	X509_free(cert);
	tls_client_free(&strict);
	conf_free(&c);
}

static void
test_fingerprints(void **state)
{
	X509 *cert = cert_for("mx.example.org", NULL, 0);
	struct buf digest = {0}, of_key = {0};
	struct str match;
	struct tls_policy p = {.level = TLS_FINGERPRINT, .matches = &match, .n_matches = 1};
	char plain[64];
	size_t n = 0;

	(void)state;
	assert_true(tls_fingerprint(client, cert, &digest));
	assert_true(tls_key_fingerprint(client, cert, &of_key));
	assert_int_equal(digest.len, 32 * 3 - 1);
	assert_false(str_eq(buf_view(&digest), buf_view(&of_key)));
	match = buf_view(&digest);
	assert_true(tls_match_fingerprints(client, cert, &p));
	match = buf_view(&of_key);
	assert_true(tls_match_fingerprints(client, cert, &p));
	for (size_t i = 0; i < of_key.len; i++)
		if (of_key.data[i] != ':')
			plain[n++] =
			    of_key.data[i] >= 'A' ? (char)(of_key.data[i] + 32) : of_key.data[i];
	match = str_n(plain, n);
	assert_true(tls_match_fingerprints(client, cert, &p));
	plain[5] = plain[5] == '0' ? '1' : '0';
	assert_false(tls_match_fingerprints(client, cert, &p));
	match = str_n(plain, 0);
	assert_false(tls_match_fingerprints(client, cert, &p));
	match = str_sub(buf_view(&of_key), 0, 30);
	assert_false(tls_match_fingerprints(client, cert, &p));
	X509_free(cert);
	buf_free(&digest);
	buf_free(&of_key);
}

/* --- TLSA records -------------------------------------------------------------------------------------- */

static const char zeros[64];

static void
test_usable(void **state)
{
	static const struct {
		uint8_t usage, selector, matching;
		size_t len;
		bool ok;
	} cases[] = {
	    {3, 1, 1, 32, true},
	    {3, 0, 1, 32, true},
	    {3, 1, 2, 64, true},
	    {2, 0, 1, 32, true},
	    {2, 1, 2, 64, true},
	    {3, 1, 1, 31, false},
	    {3, 1, 1, 33, false},
	    {3, 1, 2, 32, false},
	    {3, 1, 3, 32, false},
	    {3, 2, 1, 32, false},
	    {0, 0, 1, 32, false},
	    {1, 1, 1, 32, false},
	    {4, 1, 1, 32, false},
	    {255, 0, 1, 32, false},
	    {3, 0, 0, 64, false},
	    {3, 1, 0, 0, false},
	};
	X509 *cert = cert_for("mx.example.org", NULL, 0);
	unsigned char *der = NULL;
	int len = i2d_X509(cert, &der);
	struct tls_tlsa full = {3, 0, 0, {(char *)der, (size_t)len}};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct tls_tlsa r = {
		    cases[i].usage, cases[i].selector, cases[i].matching, {zeros, cases[i].len}};

		if (tls_tlsa_usable(client, &r) != cases[i].ok)
			fail_msg("case %zu", i);
	}
	assert_true(tls_tlsa_usable(client, &full));
	full.data.len--;
	assert_false(tls_tlsa_usable(client, &full));
	full.data.len++;
	full.selector = 1;
	assert_false(tls_tlsa_usable(client, &full));
	OPENSSL_free(der);
	X509_free(cert);
}

/* --- Kept sessions --------------------------------------------------------------------------------------- */

static void
test_sessions(void **state)
{
	struct tls_sessions *s = tls_sessions_new(10);
	char *big = mem_alloc(SESSION_BYTES + 1);

	(void)state;
	tls_sessions_put(s, STR("a"), STR("one"), 0);
	tls_sessions_put(s, STR("a"), STR("two"), 1000);
	assert_int_equal(tls_sessions_count(s), 1);
	assert_int_equal(tls_sessions_bytes(s), 4);
	assert_true(str_eq(tls_sessions_get(s, STR("a"), 10999), STR("two")));
	assert_int_equal(tls_sessions_get(s, STR("b"), 0).len, 0);
	assert_int_equal(tls_sessions_get(s, STR("a"), 11000).len, 0);
	assert_int_equal(tls_sessions_count(s), 0);
	tls_sessions_put(s, STR("a"), str_n(big, SESSION_BYTES), 0);
	assert_int_equal(tls_sessions_count(s), 1);
	/* One that is too large replaces nothing, and what stood there is old. */
	tls_sessions_put(s, STR("a"), str_n(big, SESSION_BYTES + 1), 0);
	assert_int_equal(tls_sessions_count(s), 0);
	tls_sessions_free(&s);
	s = tls_sessions_new(0);
	tls_sessions_put(s, STR("a"), STR("one"), 0);
	assert_int_equal(tls_sessions_count(s), 0);
	tls_sessions_free(&s);
	free(big);
}

static void
test_sessions_bounds(void **state)
{
	struct tls_sessions *s = tls_sessions_new(10);
	char *big = mem_alloc(SESSION_BYTES);
	char name[16];

	(void)state;
	for (int i = 0; i < SESSIONS_MAX + 5; i++) {
		snprintf(name, sizeof(name), "k%d", i);
		tls_sessions_put(s, str_c(name), STR("x"), 0);
		/* The first one is in use, and stays. */
		assert_int_equal(tls_sessions_get(s, STR("k0"), 0).len, 1);
	}
	assert_int_equal(tls_sessions_count(s), SESSIONS_MAX);
	assert_int_equal(tls_sessions_get(s, STR("k1"), 0).len, 0);
	assert_int_equal(tls_sessions_get(s, STR("k6"), 0).len, 1);
	for (int i = 0; i < 600; i++) {
		snprintf(name, sizeof(name), "b%d", i);
		tls_sessions_put(s, str_c(name), str_n(big, SESSION_BYTES), 0);
		assert_true(tls_sessions_bytes(s) <= SESSIONS_BYTES);
	}
	assert_true(tls_sessions_bytes(s) > SESSIONS_BYTES - 2 * SESSION_BYTES);
	tls_sessions_free(&s);
	free(big);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_nul),
	    cmocka_unit_test(test_address),
	    cmocka_unit_test(test_one_label),
	    cmocka_unit_test(test_fingerprints),
	    cmocka_unit_test(test_usable),
	    cmocka_unit_test(test_sessions),
	    cmocka_unit_test(test_sessions_bounds),
	};
	int failed = cmocka_run_group_tests(tests, tls_fixture_setup, tls_fixture_teardown);

	EVP_PKEY_free(key);
	return failed;
}
