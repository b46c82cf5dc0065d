/*
 * test_mail_address - envelope addresses: the cases of is_email, the RFCs' examples, limits, writing
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/mail/address.h"

static int
hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c - 'a' + 10;
}

/* Undoes the \xNN and \\ of the data file, in place. */
static struct str
unescape(char *s)
{
	size_t to = 0;

	for (size_t i = 0; s[i]; i++) {
		if (s[i] == '\\' && s[i + 1] == 'x') {
			s[to++] = (char)(hex(s[i + 2]) * 16 + hex(s[i + 3]));
			i += 3;
		} else {
			i += s[i] == '\\';
			s[to++] = s[i];
		}
	}
	return str_n(s, to);
}

/*
 * What SMTP has to take: addresses that are valid, or valid but for DNS, or valid in RFC 5321 with
 * unusual elements. What RFC 5322 or the past alone allows is refused. One exception: "::" for a
 * single group (case 71) is deprecated in writing, but says clearly which address it is.
 */
static bool
expected(int id, const char *category)
{
	return id == 71 || strcmp(category, "VALID_CATEGORY") == 0 ||
	    strcmp(category, "DNSWARN") == 0 || strcmp(category, "RFC5321") == 0;
}

static void
check_is_email(int id, const char *category, struct str text)
{
	struct buf path = {0}, why = {0};
	struct arena *a = arena_new(0);
	struct mail_address address;
	struct str rest;
	bool plain = address_parse(text, 0, a, &address, &why), bracketed;

	buf_printf(&path, "<%.*s>", STR_ARG(text));
	bracketed = address_parse_path(buf_view(&path), 0, a, &address, &rest, &why);
	if (plain != expected(id, category) || bracketed != plain)
		fail_msg("case %d (%s): \"%.*s\": as address %d, as path %d, why: %s", id, category,
		    STR_ARG(text), plain, bracketed, buf_cstr(&why));
	assert_true(plain || why.len > 0);
	buf_free(&path);
	buf_free(&why);
	arena_free(&a);
}

static void
test_is_email(void **state)
{
	FILE *f = fopen(TEST_DATA "/email-addresses.tsv", "r");
	char line[2048];
	int cases = 0;

	(void)state;
	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		char *id, *category, *save;

		if (line[0] == '#')
			continue;
		line[strcspn(line, "\n")] = '\0';
		id = strtok_r(line, "\t", &save);
		category = strtok_r(NULL, "\t", &save);
		strtok_r(NULL, "\t", &save);
		check_is_email(atoi(id), category, unescape(save));
		cases++;
	}
	fclose(f);
	assert_int_equal(cases, 164);
}

struct path_case {
	const char *text;
	unsigned flags;
	const char *written; /* NULL: refused */
	const char *rest;
};

#define LAX (ADDRESS_LOOSE | ADDRESS_NULL_OK | ADDRESS_BARE_OK)

static const struct path_case paths[] = {
    /* RFC 5321 appendix D and sections 3.3, 4.1.1.3 */
    {"<Smith@bar.com>", 0, "Smith@bar.com", ""},
    {"<userx@y.foo.org>", 0, "userx@y.foo.org", ""},
    {"<@hosta.int,@jkl.org:userc@d.bar.org>", 0, "userc@d.bar.org", ""},
    {"<Joe.\\,Blow@example.com>", 0, NULL, NULL},
    {"<\"Joe.\\\\Blow\"@example.com>", 0, "\"Joe.\\\\Blow\"@example.com", ""},
    {"<> SIZE=12", ADDRESS_NULL_OK, "", " SIZE=12"},
    {"<>", 0, NULL, NULL},
    {"<postmaster>", ADDRESS_BARE_OK, "postmaster", ""},
    {"<postmaster>", 0, NULL, NULL},
    {"<a@b.c> BODY=8BITMIME SIZE=1", 0, "a@b.c", " BODY=8BITMIME SIZE=1"},
    {"<a@b.c>SIZE=1", 0, NULL, NULL},
    {"<a@b.c>\tSIZE=1", 0, "a@b.c", "\tSIZE=1"},
    {"<a@b.c", 0, NULL, NULL},
    {"a@b.c", 0, NULL, NULL},
    {" <a@b.c>", 0, NULL, NULL},
    {"<a@b.c >", 0, NULL, NULL},
    {"", 0, NULL, NULL},
    {"<", 0, NULL, NULL},
    {"<@", 0, NULL, NULL},
    {"<@a.b:", 0, NULL, NULL},
    {"<@a.b,c.d:x@y.z>", 0, NULL, NULL},
    {"<@a.b;x@y.z>", 0, NULL, NULL},
    {"<a@b@c>", 0, NULL, NULL},
    /* quoting comes off and goes on as needed */
    {"<\"plain\"@b.c>", 0, "plain@b.c", ""},
    {"<\"a b\"@b.c>", 0, "\"a b\"@b.c", ""},
    {"<\"a\\\"b\"@b.c>", 0, "\"a\\\"b\"@b.c", ""},
    {"<\"a@b\"@b.c>", 0, "\"a@b\"@b.c", ""},
    {"<\">\"@b.c>", 0, "\">\"@b.c", ""},
    {"<\"\"@b.c>", 0, "\"\"@b.c", ""},
    {"<\"\">", ADDRESS_BARE_OK | ADDRESS_NULL_OK, NULL, NULL},
    {"<\"a\tb\"@b.c>", 0, NULL, NULL},
    {"<\"a\\\tb\"@b.c>", 0, NULL, NULL},
    {"<\"a\x7f\"@b.c>", 0, NULL, NULL},
    /* literals */
    {"<a@[192.0.2.1]>", 0, "a@[192.0.2.1]", ""},
    {"<a@[192.0.2.256]>", 0, NULL, NULL},
    {"<a@[IPv6:2001:db8::1]>", 0, "a@[IPv6:2001:db8::1]", ""},
    {"<a@[ipv6:::ffff:192.0.2.1]>", 0, "a@[ipv6:::ffff:192.0.2.1]", ""},
    {"<a@[2001:db8::1]>", 0, NULL, NULL},
    {"<a@[]>", 0, NULL, NULL},
    {"<a@[x>", 0, NULL, NULL},
    /* SMTPUTF8 */
    {"<k\xc3\xa4the@example.org>", ADDRESS_UTF8_OK, "k\xc3\xa4the@example.org", ""},
    {"<k\xc3\xa4the@example.org>", 0, NULL, NULL},
    {"<k\xe4the@example.org>", ADDRESS_UTF8_OK, NULL, NULL},
    {"<a@\xe4\xbe\x8b.jp>", ADDRESS_UTF8_OK, "a@\xe4\xbe\x8b.jp", ""},
    {"<a@\xe4\xbe\x8b.jp>", 0, NULL, NULL},
    {"<a@\xc0\xae.jp>", ADDRESS_UTF8_OK, NULL, NULL},
    {"<\"\xc3\xa4 b\"@c.d>", ADDRESS_UTF8_OK, "\"\xc3\xa4 b\"@c.d", ""},
    {"<\"\\\xc3\xa4\"@c.d>", ADDRESS_UTF8_OK, NULL, NULL},
    {"<a\xc2\x85@c.d>", ADDRESS_UTF8_OK, NULL, NULL}, /* NEL, a control character */
    /* what Postfix lets pass unless strict_rfc821_envelopes */
    {"a@b.c SIZE=1", LAX, "a@b.c", " SIZE=1"},
    {"  < a@b.c > X", LAX, "a@b.c", " X"},
    {"alice", LAX, "alice", ""},
    {"<user..name.@docomo.example>", LAX, "\"user..name.\"@docomo.example", ""},
    {"<.user@b.c>", LAX, "\".user\"@b.c", ""},
    {"<\"a\".\"b c\"@b.c>", LAX, "\"a.b c\"@b.c", ""},
    {"<a@b.c.>", LAX, "a@b.c", ""},
    {"<a@b.c..>", LAX, NULL, NULL},
    {"<a@>", LAX, "a", ""},
    {"<a@.>", LAX, "a", ""},
    {"<a@>", ADDRESS_BARE_OK, NULL, NULL},
    {"<a b@c.d>", LAX, NULL, NULL},
};

static void
test_paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		const struct path_case *c = &paths[i];
		struct buf why = {0}, written = {0};
		struct arena *a = arena_new(0);
		struct mail_address address;
		struct str rest = STR_EMPTY;
		bool ok = address_parse_path(str_c(c->text), c->flags, a, &address, &rest, &why);

		if (ok)
			address_write(&address, &written);
		if (ok != (c->written != NULL) ||
		    (ok &&
			(strcmp(buf_cstr(&written), c->written) != 0 ||
			    !str_eq(rest, str_c(c->rest)))))
			fail_msg("\"%s\": %d, \"%s\", rest \"%.*s\", why: %s", c->text, ok,
			    buf_cstr(&written), STR_ARG(rest), buf_cstr(&why));
		assert_true(ok || why.len > 0);
		buf_free(&why);
		buf_free(&written);
		arena_free(&a);
	}
}

/* "<" LOCAL times 'a' "@" then labels up to DOMAIN bytes ">" */
static void
make_path(struct buf *b, size_t local, size_t domain)
{
	buf_reset(b);
	buf_putc(b, '<');
	for (size_t i = 0; i < local; i++)
		buf_putc(b, 'a');
	buf_putc(b, '@');
	for (size_t i = 0; i < domain; i++)
		buf_putc(b, i % 50 == 49 && i + 1 < domain ? '.' : 'd');
	buf_putc(b, '>');
}

static const struct {
	size_t local, domain;
	unsigned flags;
	bool ok;
} limits[] = {
    {64, 10, 0, true},
    {65, 10, 0, false},
    {65, 10, ADDRESS_LONG_LOCAL, true},
    {1, 252, 0, true}, /* 254 in all */
    {1, 253, 0, false},
    {1, 255, ADDRESS_LONG_LOCAL, true},
    {1, 256, ADDRESS_LONG_LOCAL, false},
    {64, 189, 0, true}, /* 254 in all */
    {64, 190, 0, false},
    {1022 - 11, 10, ADDRESS_LONG_LOCAL, true}, /* a path of 1024 */
    {1023 - 11, 10, ADDRESS_LONG_LOCAL, false},
    {1000000, 10, ADDRESS_LONG_LOCAL, false},
};

static void
test_limits(void **state)
{
	struct buf path = {0}, why = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct arena *a = arena_new(0);
		struct mail_address address;
		struct str rest;
		bool ok;

		make_path(&path, limits[i].local, limits[i].domain);
		buf_reset(&why);
		ok = address_parse_path(buf_view(&path), limits[i].flags, a, &address, &rest, &why);
		if (ok != limits[i].ok)
			fail_msg("case %zu: %zu and %zu bytes: %d %s", i, limits[i].local,
			    limits[i].domain, ok, buf_cstr(&why));
		if (ok) {
			assert_int_equal(address.local.len, limits[i].local);
			assert_int_equal(address.domain.len, limits[i].domain);
		}
		arena_free(&a);
	}
	buf_free(&path);
	buf_free(&why);
}

/* A NUL is no end, and no part of an address. */
static void
test_nul(void **state)
{
	static const struct str texts[] = {{"<a\0b@c.d>", 9}, {"<a@c\0d.e>", 9},
	    {"<\"a\0\"@c.d>", 10}, {"<a@[192.0.2.1\0]>", 16}, {"<a@b.c\0>", 8}};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct arena *a = arena_new(0);
		struct mail_address address;
		struct str rest;

		assert_false(address_parse_path(texts[i], LAX, a, &address, &rest, NULL));
		arena_free(&a);
	}
}

static const struct {
	const char *local, *delimiters, *user, *extension;
} extensions[] = {
    {"user+ext", "+", "user", "ext"},
    {"user+a+b", "+", "user", "a+b"},
    {"user+", "+", "user", ""},
    {"+ext", "+", "+ext", ""},
    {"user", "+", "user", ""},
    {"user+ext", "", "user+ext", ""},
    {"user-ext", "+-", "user", "ext"},
    {"a-b+c", "+-", "a", "b+c"},
    {"postmaster+x", "+", "postmaster", "x"},
    {"Postmaster", "os", "Postmaster", ""},
    {"MAILER-DAEMON", "-", "MAILER-DAEMON", ""},
    {"double-bounce", "-", "double-bounce", ""},
    {"owner-list", "-", "owner-list", ""},
    {"list-request", "-", "list-request", ""},
    {"-request", "-", "-request", ""},
    {"owner-list+x", "+", "owner-list", "x"},
    {"list-request", "+", "list-request", ""},
};

static void
test_extensions(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++) {
		struct str extension, user;

		user = address_without_extension(
		    str_c(extensions[i].local), str_c(extensions[i].delimiters), &extension);
		if (!str_eq(user, str_c(extensions[i].user)) ||
		    !str_eq(extension, str_c(extensions[i].extension)))
			fail_msg("%s with \"%s\": \"%.*s\" and \"%.*s\"", extensions[i].local,
			    extensions[i].delimiters, STR_ARG(user), STR_ARG(extension));
	}
}

static void
test_compare(void **state)
{
	struct mail_address a = {STR("User"), STR("Example.ORG"), false}, b = a, c = a;
	struct mail_address null = {STR_EMPTY, STR_EMPTY, false};
	struct arena *arena = arena_new(0);

	(void)state;
	b.domain = STR("example.org");
	c.local = STR("user");
	assert_true(address_eq(&a, &b));
	assert_false(address_eq(&a, &c));
	assert_true(address_is_null(&null));
	assert_false(address_is_null(&a));
	assert_true(str_eq(address_text(&null, arena), STR("")));
	a.local = STR("a b");
	assert_true(str_eq(address_text(&a, arena), STR("\"a b\"@Example.ORG")));
	assert_true(str_eq(address_internal(&a, arena), STR("a b@Example.ORG")));
	arena_free(&arena);
}

/* Whatever is taken is the same address after it was written and read again. */
static void
test_round_trip(void **state)
{
	static const char bytes[] = "ab.@\"\\<>[]:, ;()1-_+\t\x7f\xc3\xa4";
	uint64_t seed = 88172645463325252u;
	int taken = 0;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		struct arena *a = arena_new(0);
		struct mail_address one, two;
		struct buf text = {0};
		struct str rest;

		buf_putc(&text, '<');
		for (int n = 0; n < 3 + i % 12; n++) {
			seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
			buf_putc(&text, bytes[seed % (sizeof bytes - 1)]);
		}
		buf_puts(&text, "@b.c>");
		if (address_parse_path(
			buf_view(&text), LAX | ADDRESS_UTF8_OK, a, &one, &rest, NULL)) {
			struct str written = address_text(&one, a);

			taken++;
			if (!address_parse(written,
				ADDRESS_NULL_OK | ADDRESS_BARE_OK | ADDRESS_UTF8_OK, a, &two,
				NULL) ||
			    !address_eq(&one, &two))
				fail_msg(
				    "\"%s\" became \"%.*s\"", buf_cstr(&text), STR_ARG(written));
		}
		buf_free(&text);
		arena_free(&a);
	}
	assert_true(taken > 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_is_email),
	    cmocka_unit_test(test_paths),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_nul),
	    cmocka_unit_test(test_extensions),
	    cmocka_unit_test(test_compare),
	    cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
