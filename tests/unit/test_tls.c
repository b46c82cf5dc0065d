/*
 * test_tls - what TLS policies are made of: levels, versions, ciphers, values of maps, faults, and what
 * becomes of them with TLSA records
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/mem.h"
#include "tests/unit/tls_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SHA256_HEX "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define SHA256_OTHER "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

/* --- Levels ------------------------------------------------------------------------------------- */

/* The switches from before there were levels mean what they did, unless a level is set. */
static void
test_switches(void **state)
{
	static const struct {
		const char *settings;
		enum tls_level level;
	} cases[] = {
	    {"compatibility_level = 3.6\n", TLS_NONE},
	    {"compatibility_level = 3.6\nsmtp_use_tls = yes\n", TLS_MAY},
	    {"compatibility_level = 3.6\nsmtp_tls_security_level =\nsmtp_use_tls = yes\n", TLS_MAY},
	    {"compatibility_level = 3.6\nsmtp_enforce_tls = yes\n", TLS_VERIFY},
	    {"smtp_enforce_tls = yes\nsmtp_tls_enforce_peername = no\n", TLS_ENCRYPT},
	    {"smtp_enforce_tls = yes\nsmtp_tls_security_level = may\n", TLS_MAY},
	    {"smtp_use_tls = yes\nsmtp_tls_security_level = none\n", TLS_NONE},
	    {"lmtp_enforce_tls = yes\nlmtp_use_tls = yes\n", TLS_MAY},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct conf *c;
		struct tls_client *of_main = client_of(cases[i].settings, &c);
		struct tls_policy p;

		tls_policy_default(of_main, &p);
		assert_int_equal(p.level, cases[i].level);
		tls_client_free(&of_main);
		conf_free(&c);
	}
}

static void
test_levels(void **state)
{
	enum tls_level level;

	(void)state;
	for (enum tls_level i = TLS_NONE; i <= TLS_SECURE; i++) {
		assert_true(tls_level_parse(str_c(tls_level_name(i)), &level));
		assert_int_equal(level, i);
	}
	assert_true(tls_level_parse(STR("DANE-Only"), &level));
	assert_int_equal(level, TLS_DANE_ONLY);
	assert_false(tls_level_parse(STR(""), &level));
	assert_false(tls_level_parse(STR("secur"), &level));
	assert_false(tls_level_parse(STR("secures"), &level));
	assert_false(tls_level_mandatory(TLS_MAY));
	assert_true(tls_level_mandatory(TLS_ENCRYPT));
	assert_false(tls_level_authenticates(TLS_ENCRYPT));
	assert_true(tls_level_authenticates(TLS_DANE));
}

/* --- Versions ------------------------------------------------------------------------------------ */

static void
test_versions(void **state)
{
	static const struct {
		const char *list;
		unsigned min, max, excluded;
	} good[] = {
	    {"", 0, 0, 0},
	    {">=TLSv1", 2, 0, 0},
	    {">=TLSv1.2", 4, 0, 0},
	    {">=tlsv1.2, <=TLSv1.3", 4, 5, 0},
	    {"!SSLv2, !SSLv3", 0, 0, 1 << 1},
	    {"!SSLv2:!SSLv3 !TLSv1\t!TLSv1.1", 0, 0, 1 << 1 | 1 << 2 | 1 << 3},
	    {"TLSv1.2", 0, 0, 0xff & ~(1 << 4)},
	    {"TLSv1.2 TLSv1.3", 0, 0, 0xff & ~(1 << 4 | 1 << 5)},
	    {">=0303", 4, 0, 0},
	    {">=303", 4, 0, 0},
	    {"<=0302", 0, 3, 0},
	    {"TLSv1.0", 0, 0, 0xff & ~(1 << 2)},
	    {">=SSLv2", 0, 0, 0},
	};
	static const char *const bad[] = {"TLSv1.4", "TLS1.2", "!", ">=", ">= TLSv1.2", "=TLSv1.2",
	    ">TLSv1.2", "!TLSv1.2 <=TLSv1.2 >=TLSv1.2", ">=TLSv1.3 <=TLSv1.2", "0x0303", "030a",
	    "!SSLv3 !TLSv1 !TLSv1.1 !TLSv1.2 !TLSv1.3", "SSLv2", "03 03", "TLSv1.2;TLSv1.3"};
	struct tls_versions v;
	struct buf why = {0};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_true(tls_versions_parse(str_c(good[i].list), &v, &why));
		assert_int_equal(v.min, good[i].min);
		assert_int_equal(v.max, good[i].max);
		assert_int_equal(v.excluded, good[i].excluded);
	}
	assert_int_equal(why.len, 0);
	for (size_t i = 0; i < COUNT(bad); i++) {
		buf_reset(&why);
		assert_false(tls_versions_parse(str_c(bad[i]), &v, &why));
		assert_true(why.len > 0);
	}
	assert_false(tls_versions_parse(str_n("TLSv1\0.2", 8), &v, &why));
	buf_free(&why);
}

static void
test_versions_apply(void **state)
{
	SSL *ssl = SSL_new(client->ctx);
	struct tls_policy p = {.tls_min = 2, .tls_excluded = 1 << 3};

	(void)state;
	tls_versions_apply(ssl, &p);
	assert_int_equal(SSL_get_min_proto_version(ssl), TLS1_VERSION);
	assert_int_equal(SSL_get_max_proto_version(ssl), 0);
	assert_true(SSL_get_options(ssl) & SSL_OP_NO_TLSv1_1);
	assert_false(SSL_get_options(ssl) & SSL_OP_NO_TLSv1_2);
	p = (struct tls_policy){.tls_max = 4};
	tls_versions_apply(ssl, &p);
	assert_int_equal(SSL_get_max_proto_version(ssl), TLS1_2_VERSION);
	assert_false(SSL_get_options(ssl) & SSL_OP_NO_TLSv1_1);
	SSL_free(ssl);
}

/* --- Ciphers ------------------------------------------------------------------------------------- */

/* Has the list of OpenSSL such a cipher? */
static bool
list_has(struct str list, const char *name)
{
	SSL *ssl = SSL_new(client->ctx);
	STACK_OF(SSL_CIPHER) * ciphers;
	bool found = false;

	assert_int_equal(SSL_set_cipher_list(ssl, arena_cstr(arena, list)), 1);
	ciphers = SSL_get_ciphers(ssl);
	for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); i++)
		found = found ||
		    strcmp(SSL_CIPHER_get_name(sk_SSL_CIPHER_value(ciphers, i)), name) == 0;
	SSL_free(ssl);
	return found;
}

static void
test_ciphers(void **state)
{
	const struct str exclude[] = {STR("AES128, kRSA"), STR("CAMELLIA:aNULL")};
	const struct str bad[] = {STR("!AES"), STR("-AES"), STR("+AES"), STR("@STRENGTH")};
	const struct str all[] = {STR("ALL")};
	struct buf list = {0}, why = {0};
	size_t at;

	(void)state;
	assert_true(tls_cipher_list(client, STR("high"), TLS_MAY, NULL, 0, &list, &why, &at));
	assert_true(list_has(buf_view(&list), "ADH-AES256-GCM-SHA384"));
	assert_true(list_has(buf_view(&list), "AES128-SHA"));
	buf_reset(&list);
	/* Who has to say who it is needs a certificate. */
	assert_true(tls_cipher_list(client, STR("Medium"), TLS_SECURE, NULL, 0, &list, &why, &at));
	assert_false(list_has(buf_view(&list), "ADH-AES256-GCM-SHA384"));
	buf_reset(&list);
	assert_true(tls_cipher_list(client, STR("low"), TLS_ENCRYPT, exclude, 2, &list, &why, &at));
	assert_false(list_has(buf_view(&list), "ADH-AES256-GCM-SHA384"));
	assert_false(list_has(buf_view(&list), "AES256-SHA"));
	assert_false(list_has(buf_view(&list), "ECDHE-RSA-AES128-GCM-SHA256"));
	assert_true(list_has(buf_view(&list), "ECDHE-RSA-AES256-GCM-SHA384"));
	assert_int_equal(why.len, 0);
	assert_false(tls_cipher_list(client, STR("hihg"), TLS_MAY, NULL, 0, &list, &why, &at));
	assert_non_null(strstr(buf_cstr(&why), "hihg"));
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(
		    tls_cipher_list(client, STR("high"), TLS_MAY, &bad[i], 1, &list, &why, &at));
	buf_reset(&list);
	assert_false(tls_cipher_list(client, STR("high"), TLS_MAY, all, 1, &list, &why, &at));
	buf_reset(&list);
	/* Ciphers that do not encrypt are no encryption. */
	assert_false(tls_cipher_list(client, STR("null"), TLS_ENCRYPT, NULL, 0, &list, &why, &at));
	buf_free(&list);
	buf_free(&why);
}

/* --- Values of policy maps -------------------------------------------------------------------------- */

static void
test_policy_good(void **state)
{
	static const struct {
		const char *value;
		enum tls_level level;
		size_t matches;
		const char *first;
	} cases[] = {
	    {"none", TLS_NONE, 0, NULL},
	    {" may ", TLS_MAY, 0, NULL},
	    {"MAY", TLS_MAY, 0, NULL},
	    {"encrypt protocols=>=TLSv1.2 ciphers=high exclude=3DES", TLS_ENCRYPT, 0, NULL},
	    {"encrypt protocols=!TLSv1:!TLSv1.1, ciphers=high", TLS_ENCRYPT, 0, NULL},
	    {"dane", TLS_DANE, 0, NULL},
	    {"dane-only", TLS_DANE_ONLY, 0, NULL},
	    {"verify", TLS_VERIFY, 1, "hostname"},
	    {"verify match=hostname:nexthop", TLS_VERIFY, 2, "hostname"},
	    {"secure", TLS_SECURE, 2, "nexthop"},
	    {"secure match=.example.net:mx.example.org", TLS_SECURE, 2, ".example.net"},
	    {"secure match=a.example match=b.example", TLS_SECURE, 2, "a.example"},
	    {"secure { match = a.example : b.example c.example }", TLS_SECURE, 3, "a.example"},
	    {"secure servername=hostname connection_reuse=yes enable_rpk=no", TLS_SECURE, 2,
		"nexthop"},
	    {"secure policy_type=sts policy_domain=example.org mx_host_pattern=*.example.org "
	     "policy_ttl=86400 {policy_string = version: STSv1}",
		TLS_SECURE, 2, "nexthop"},
	    {"fingerprint match=" SHA256_HEX, TLS_FINGERPRINT, 1, SHA256_HEX},
	    {"fingerprint match=" SHA256_HEX "|" SHA256_HEX " match=" SHA256_HEX, TLS_FINGERPRINT,
		3, SHA256_HEX},
	    {"fingerprint", TLS_FINGERPRINT, 0, NULL},
	    {"encrypt exclude=", TLS_ENCRYPT, 0, NULL},
	};
	struct buf why = {0};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct tls_policy p;

		if (!tls_policy_parse(client, str_c(cases[i].value), arena, &p, &why))
			fail_msg("%s: %s", cases[i].value, buf_cstr(&why));
		assert_int_equal(p.level, cases[i].level);
		assert_int_equal(p.n_matches, cases[i].matches);
		if (cases[i].first)
			assert_true(str_eq(p.matches[0], str_c(cases[i].first)));
		assert_true(p.level == TLS_NONE || p.cipher_list.len > 0);
	}
	assert_int_equal(why.len, 0);
	buf_free(&why);
}

static void
test_policy_bad(void **state)
{
	/* The value, and what must be named in the words. */
	static const struct {
		const char *value, *word;
	} cases[] = {
	    {"", "empty"},
	    {" ,", "empty"},
	    {"secre", "secre"},
	    {"MUST", "verify"},
	    {"must_nopeermatch", "encrypt"},
	    {"half-dane", "dane"},
	    {"secure match", "match"},
	    {"secure =a", "=a"},
	    {"secure match=", "match="},
	    {"secure mach=a.example", "mach"},
	    {"encrypt protocols=TLSv1.4", "TLSv1.4"},
	    {"encrypt protocols=", "protocols="},
	    {"encrypt ciphers=strong", "strong"},
	    {"encrypt exclude=!AES", "!AES"},
	    {"encrypt exclude=ALL", "cipher"},
	    {"encrypt match=a.example", "match="},
	    {"may match=a.example", "match="},
	    {"dane match=a.example", "match="},
	    {"encrypt tafile=/etc/ca.pem", "tafile="},
	    {"secure tafile=/nowhere/ca.pem", "/nowhere/ca.pem"},
	    {"secure connection_reuse=maybe", "maybe"},
	    {"fingerprint match=00:11", "00:11"},
	    {"fingerprint match=" SHA256_HEX "0", "fingerprint"},
	    {"fingerprint match=xy112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
		"fingerprint"},
	    {"secure {match=a", "match"},
	};
	struct buf why = {0};
	struct tls_policy p;
	char *longest;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		buf_reset(&why);
		if (tls_policy_parse(client, str_c(cases[i].value), arena, &p, &why))
			fail_msg("taken: %s", cases[i].value);
		if (!strstr(buf_cstr(&why), cases[i].word))
			fail_msg("%s: %s", cases[i].value, buf_cstr(&why));
	}
	assert_false(tls_policy_parse(client, str_n("may\0secure", 10), arena, &p, &why));
	longest = mem_alloc(8193);
	memset(longest, ' ', 8193);
	memcpy(longest, "may", 3);
	assert_true(tls_policy_parse(client, str_n(longest, 8192), arena, &p, &why));
	assert_false(tls_policy_parse(client, str_n(longest, 8193), arena, &p, &why));
	free(longest);
	buf_free(&why);
}

/* What two demands that say the same, and such that do not, look like. */
static void
key_of(struct tls_client *of, const char *value, const char *host, const char *nexthop,
    const struct tls_tlsa *tlsa, struct buf *key)
{
	const struct tls_target target = {.host = str_c(host), .nexthop = str_c(nexthop)};
	const struct tls_dane dane = {
	    .answer = TLS_DANE_RECORDS, .base = str_c(host), .records = tlsa, .n = 1};
	struct tls_policy p;
	struct buf why = {0};

	assert_true(tls_policy_parse(of, str_c(value), arena, &p, &why));
	if (tlsa)
		assert_true(tls_policy_dane(of, &p, &dane, &why));
	tls_policy_key(&p, &target, arena, key);
	buf_free(&why);
}

static void
test_policy_key(void **state)
{
	const char digest[32] = {0};
	const struct tls_tlsa ee = {3, 1, 1, {digest, 32}}, ta = {2, 0, 1, {digest, 32}},
			      other = {3, 0, 1, {digest, 32}};
	const struct {
		bool same;
		const char *policy[2], *host[2], *nexthop[2];
		const struct tls_tlsa *tlsa[2];
	} cases[] = {
	    {true, {"may", "may"}, {"mx.a", "mx.b"}, {"a", "b"}, {0}},
	    {true, {"none", "none ciphers=high"}, {"mx.a", "mx.b"}, {"a", "b"}, {0}},
	    {false, {"may", "none"}, {"mx.a", "mx.a"}, {"a", "a"}, {0}},
	    {false, {"may", "encrypt"}, {"mx.a", "mx.a"}, {"a", "a"}, {0}},
	    {false, {"may", "may protocols=>=TLSv1.3"}, {"mx.a", "mx.a"}, {"a", "a"}, {0}},
	    {false, {"may", "may servername=hostname"}, {"mx.a", "mx.a"}, {"a", "a"}, {0}},
	    {false, {"may servername=nexthop", "may servername=nexthop"}, {"mx.a", "mx.a"},
		{"a", "b"}, {0}},
	    {true, {"verify match=hostname", "verify match=hostname"}, {"mx.a", "mx.a"}, {"a", "b"},
		{0}},
	    {false, {"verify match=hostname", "verify match=hostname"}, {"mx.a", "mx.b"},
		{"a", "a"}, {0}},
	    {false, {"secure match=nexthop", "secure match=nexthop"}, {"mx.a", "mx.a"}, {"a", "b"},
		{0}},
	    {false, {"secure match=dot-nexthop", "secure match=nexthop"}, {"mx.a", "mx.a"},
		{"a", "a"}, {0}},
	    {false, {"fingerprint match=" SHA256_HEX, "fingerprint match=" SHA256_OTHER},
		{"mx.a", "mx.a"}, {"a", "a"}, {0}},
	    {true, {"dane", "dane"}, {"mx.a", "mx.a"}, {"a", "b"}, {&ee, &ee}},
	    {false, {"dane", "dane"}, {"mx.a", "mx.a"}, {"a", "b"}, {&ta, &ta}},
	    {false, {"dane", "dane"}, {"mx.a", "mx.a"}, {"a", "a"}, {&ee, &other}},
	    {false, {"dane", "dane"}, {"mx.a", "mx.b"}, {"a", "a"}, {&ee, &ee}},
	    {false, {"dane", "may"}, {"mx.a", "mx.a"}, {"a", "a"}, {&ee, NULL}},
	};
	struct conf *c;
	struct tls_client *of = client_of("smtp_tls_security_level = may\n", &c);

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf keys[2] = {{0}, {0}};

		for (int k = 0; k < 2; k++)
			key_of(of, cases[i].policy[k], cases[i].host[k], cases[i].nexthop[k],
			    cases[i].tlsa[k], &keys[k]);
		if (str_eq(buf_view(&keys[0]), buf_view(&keys[1])) != cases[i].same)
			fail_msg("case %zu: %s, %s", i, cases[i].policy[0], cases[i].policy[1]);
		buf_free(&keys[0]);
		buf_free(&keys[1]);
	}
	tls_client_free(&of);
	conf_free(&c);
}

/* What a policy map leaves open is as in main.cf; what it says stands instead. */
static void
test_policy_over_main(void **state)
{
	struct conf *c;
	struct tls_client *of_main = client_of("smtp_tls_security_level = verify\n"
					       "smtp_tls_verify_cert_match = nexthop, hostname\n"
					       "smtp_tls_protocols = >=TLSv1.1\n"
					       "smtp_tls_mandatory_protocols = >=TLSv1.2\n"
					       "smtp_tls_mandatory_exclude_ciphers = AES128\n"
					       "smtp_tls_servername = nexthop\n"
					       "smtp_tls_connection_reuse = yes\n",
	    &c);
	struct tls_policy p;
	struct buf why = {0};

	(void)state;
	assert_null(tls_client_fault(of_main));
	tls_policy_default(of_main, &p);
	assert_int_equal(p.level, TLS_VERIFY);
	assert_int_equal(p.n_matches, 2);
	assert_int_equal(p.tls_min, VERSION_TLS12);
	assert_true(p.connection_reuse);
	assert_true(str_eq(p.servername, STR("nexthop")));
	assert_false(list_has(p.cipher_list, "ECDHE-RSA-AES128-GCM-SHA256"));
	assert_true(tls_policy_parse(of_main, STR("may"), arena, &p, &why));
	assert_int_equal(p.tls_min, 3);
	assert_true(list_has(p.cipher_list, "ECDHE-RSA-AES128-GCM-SHA256"));
	assert_true(tls_policy_parse(
	    of_main, STR("secure exclude=CAMELLIA connection_reuse=no"), arena, &p, &why));
	assert_true(list_has(p.cipher_list, "ECDHE-RSA-AES128-GCM-SHA256"));
	assert_false(p.connection_reuse);
	assert_int_equal(p.n_matches, 2);
	tls_policy_sts(of_main, &p);
	assert_int_equal(p.level, TLS_VERIFY);
	assert_int_equal(p.n_matches, 1);
	assert_true(str_eq(p.matches[0], STR("hostname")));
	buf_free(&why);
	tls_client_free(&of_main);
	conf_free(&c);
}

/* --- Faults of main.cf ------------------------------------------------------------------------------- */

static void
test_faults(void **state)
{
	static const char *const cases[][2] = {
	    {"smtp_tls_protocols = TLSv9", "smtp_tls_protocols"},
	    {"smtp_tls_mandatory_protocols = !TLSv", "smtp_tls_mandatory_protocols"},
	    {"smtp_tls_exclude_ciphers = @SECLEVEL=0", "smtp_tls_exclude_ciphers"},
	    {"smtp_tls_mandatory_exclude_ciphers = ALL", "smtp_tls_mandatory_exclude_ciphers"},
	    {"smtp_tls_CAfile = /nowhere/ca.pem", "smtp_tls_CAfile: cannot read /nowhere/ca.pem"},
	    {"smtp_tls_CAfile = /dev/null", "smtp_tls_CAfile: there is no certificate"},
	    {"smtp_tls_CApath = /nowhere", "smtp_tls_CApath: cannot read /nowhere"},
	    {"smtp_tls_CApath = /proc/self/fdinfo", "smtp_tls_CApath: there is no certificate"},
	    {"smtp_tls_cert_file = /nowhere/c.pem", "smtp_tls_cert_file: cannot read"},
	    {"smtp_tls_chain_files = /nowhere/c.pem", "smtp_tls_chain_files: cannot read"},
	    {"smtp_tls_chain_files = /dev/null", "smtp_tls_chain_files: there is neither"},
	    {"smtp_tls_fingerprint_digest = md6", "smtp_tls_fingerprint_digest"},
	    {"smtp_tls_fingerprint_cert_match = 12:34", "smtp_tls_fingerprint_cert_match"},
	    {"smtp_tls_trust_anchor_file = /nowhere/ta.pem", "smtp_tls_trust_anchor_file"},
	    {"tls_dane_digests = sha256 sha3", "tls_dane_digests"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct conf_problems problems = {0};
		struct conf *c;
		struct tls_client *faulty = client_of(cases[i][0], &c);

		if (!tls_client_fault(faulty) ||
		    strncmp(tls_client_fault(faulty), cases[i][1], strlen(cases[i][1])) != 0)
			fail_msg("%s: %s", cases[i][0], tls_client_fault(faulty));
		tls_client_free(&faulty);
		faulty = tls_client_check(c, TLS_CLIENT_SMTP, &problems);
		assert_int_equal(problems.count, 1);
		assert_int_equal(problems.list[0].severity, CONF_WAITS);
		assert_int_equal(problems.list[0].line, 2);
		assert_int_equal(
		    strncmp(problems.list[0].text, cases[i][1], strlen(cases[i][1])), 0);
		conf_problems_free(&problems);
		tls_client_free(&faulty);
		conf_free(&c);
	}
}

/* --- TLSA records ---------------------------------------------------------------------------------- */

static const char zeros[64];

/* What becomes of dane and dane-only. */
static void
test_dane_decision(void **state)
{
	static const struct tls_tlsa good[] = {{3, 1, 1, {zeros, 32}}, {0, 0, 1, {zeros, 32}}};
	static const struct {
		const char *mx_policy;
		enum tls_level level;
		struct tls_dane dane;
		bool ok;
		enum tls_level becomes;
	} cases[] = {
	    {"dane", TLS_DANE, {.records = good, .n = 2}, true, TLS_DANE},
	    {"dane", TLS_DANE_ONLY, {.records = good, .n = 2}, true, TLS_DANE_ONLY},
	    {"dane", TLS_DANE, {.answer = TLS_DANE_ABSENT}, true, TLS_MAY},
	    {"dane", TLS_DANE_ONLY, {.answer = TLS_DANE_ABSENT}, false, TLS_DANE_ONLY},
	    {"dane", TLS_DANE, {.answer = TLS_DANE_FAILED}, false, TLS_DANE},
	    {"dane", TLS_DANE_ONLY, {.answer = TLS_DANE_FAILED}, false, TLS_DANE_ONLY},
	    {"dane", TLS_DANE, {.records = good + 1, .n = 1}, true, TLS_ENCRYPT},
	    {"dane", TLS_DANE_ONLY, {.records = good + 1, .n = 1}, false, TLS_DANE_ONLY},
	    {"dane", TLS_DANE, {.records = good, .n = 1, .insecure_mx = true}, true, TLS_DANE},
	    {"dane", TLS_DANE_ONLY, {.records = good, .n = 1, .insecure_mx = true}, false,
		TLS_DANE_ONLY},
	    {"may", TLS_DANE, {.records = good, .n = 1, .insecure_mx = true}, true, TLS_MAY},
	    {"encrypt", TLS_DANE, {.records = good, .n = 1, .insecure_mx = true}, true,
		TLS_ENCRYPT},
	    {"dane", TLS_SECURE, {.answer = TLS_DANE_FAILED}, true, TLS_SECURE},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf settings = {0}, why = {0};
		struct tls_policy p;
		struct tls_client *of_case;
		struct conf *c;

		buf_printf(
		    &settings, "smtp_tls_dane_insecure_mx_policy = %s\n", cases[i].mx_policy);
		of_case = client_of(buf_cstr(&settings), &c);
		assert_true(tls_policy_parse(
		    of_case, str_c(tls_level_name(cases[i].level)), arena, &p, &why));
		if (tls_policy_dane(of_case, &p, &cases[i].dane, &why) != cases[i].ok)
			fail_msg("case %zu: %s", i, buf_cstr(&why));
		assert_true(cases[i].ok ? why.len == 0 : why.len > 0);
		if (cases[i].ok && p.level != cases[i].becomes)
			fail_msg("case %zu: %s", i, tls_level_name(p.level));
		assert_true(p.level == TLS_SECURE || p.cipher_list.len > 0);
		buf_free(&settings);
		buf_free(&why);
		tls_client_free(&of_case);
		conf_free(&c);
	}
}

static void
test_feature_status(void **state)
{
	static const struct {
		enum tls_level level;
		enum tls_feature feature;
		const char *text;
	} cases[] = {
	    {TLS_NONE, TLS_FEATURE_USED, "none"},
	    {TLS_NONE, TLS_FEATURE_IN_CLEAR, "none"},
	    {TLS_NONE, TLS_FEATURE_UNTRIED, "none?"},
	    {TLS_MAY, TLS_FEATURE_USED, "may"},
	    {TLS_MAY, TLS_FEATURE_IN_CLEAR, "may:none"},
	    {TLS_MAY, TLS_FEATURE_UNTRIED, "may?"},
	    {TLS_ENCRYPT, TLS_FEATURE_FAILED, "!encrypt"},
	    {TLS_SECURE, TLS_FEATURE_FAILED, "!secure"},
	    {TLS_DANE_ONLY, TLS_FEATURE_USED, "dane-only"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf out = {0};

		tls_feature_status(cases[i].level, cases[i].feature, &out);
		assert_string_equal(buf_cstr(&out), cases[i].text);
		buf_free(&out);
	}
}

/* --- The stream's layer ---------------------------------------------------------------------------- */

/* A server that keeps what it has to say; with a certificate of its own, as TLS 1.3 demands. */
static SSL *
server_new(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	SSL *ssl;

	assert_non_null(ctx);
	X509_set_pubkey(cert, key);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	assert_int_equal(SSL_CTX_use_cert_and_key(ctx, cert, key, NULL, 1), 1);
	ssl = SSL_new(ctx);
	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_set_accept_state(ssl);
	SSL_CTX_free(ctx);
	EVP_PKEY_free(key);
	X509_free(cert);
	return ssl;
}

/* What the server has to say goes out. */
static void
pass_on(SSL *server, int fd)
{
	char *data;
	long len = BIO_get_mem_data(SSL_get_wbio(server), &data);

	if (len > 0)
		assert_int_equal(write(fd, data, (size_t)len), len);
	(void)BIO_reset(SSL_get_wbio(server));
}

static void
shake_hands(SSL *server, int fd, SSL *ssl)
{
	char data[8192];
	ssize_t n;

	for (int i = 0; i < 10; i++) {
		(void)SSL_connect(ssl);
		n = recv(fd, data, sizeof(data), MSG_DONTWAIT);
		if (n > 0)
			assert_int_equal(BIO_write(SSL_get_rbio(server), data, (int)n), n);
		(void)SSL_do_handshake(server);
		pass_on(server, fd);
	}
	assert_true(SSL_is_init_finished(ssl) && SSL_is_init_finished(server));
}

/* However many records without data come at once: one read takes a buffer's worth of them, and others go on. */
static void
test_records_without_data(void **state)
{
	struct tls_connection *t;
	SSL *server = server_new();
	int fds[2], wait_for = 0, reads = 0;
	char data[100];
	ssize_t n;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	t = tls_connection_new(client, fds[0], STR("hop"));
	shake_hands(server, fds[1], t->ssl);
	assert_int_equal(SSL_version(t->ssl), TLS1_3_VERSION);
	for (int i = 0; i < 3000; i++) {
		assert_int_equal(SSL_key_update(server, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
		assert_int_equal(SSL_do_handshake(server), 1);
	}
	assert_int_equal(SSL_write(server, "250 x", 5), 5);
	pass_on(server, fds[1]);
	while ((n = tls_stream_io.read(t, data, sizeof(data), &wait_for)) < 0) {
		assert_int_equal(errno, EAGAIN);
		assert_int_equal(wait_for, FIBER_READ);
		reads++;
	}
	assert_int_equal(n, 5);
	assert_in_range(reads, 3, 3000);
	tls_stream_io.close(t);
	SSL_free(server);
	close(fds[0]);
	close(fds[1]);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_switches),
	    cmocka_unit_test(test_levels),
	    cmocka_unit_test(test_versions),
	    cmocka_unit_test(test_versions_apply),
	    cmocka_unit_test(test_ciphers),
	    cmocka_unit_test(test_policy_good),
	    cmocka_unit_test(test_policy_bad),
	    cmocka_unit_test(test_policy_over_main),
	    cmocka_unit_test(test_policy_key),
	    cmocka_unit_test(test_faults),
	    cmocka_unit_test(test_dane_decision),
	    cmocka_unit_test(test_feature_status),
	    cmocka_unit_test(test_records_without_data),
	};

	return cmocka_run_group_tests(tests, tls_fixture_setup, tls_fixture_teardown);
}
