/*
 * test_match_list - lists of names, domains and networks; negation, files, tables, failures
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/table/table.h"
#include "tests/unit/conf_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
	enum match_kind kind;
	bool parent;
	const char *list, *key, *address;
	enum table_status status;
} cases[] = {
    /* strings: to the letter */
    {MATCH_STRING, false, "", "a", "", TABLE_NOT_FOUND},
    {MATCH_STRING, false, "a.b, c.d", "C.D", "", TABLE_FOUND},
    {MATCH_STRING, false, "a.b", "x.a.b", "", TABLE_NOT_FOUND},
    {MATCH_STRING, false, ".a.b", "x.a.b", "", TABLE_NOT_FOUND},
    {MATCH_STRING, true, "a.b", "x.a.b", "", TABLE_NOT_FOUND},
    {MATCH_STRING, false, "[192.0.2.1]", "[192.0.2.1]", "", TABLE_FOUND},
    {MATCH_STRING, false, "a.b\tc.d\n e.f", "e.f", "", TABLE_FOUND},
    /* domains */
    {MATCH_DOMAIN, false, "a.b", "a.b", "", TABLE_FOUND},
    {MATCH_DOMAIN, false, "a.b", "x.a.b", "", TABLE_NOT_FOUND},
    {MATCH_DOMAIN, false, ".a.b", "x.A.b", "", TABLE_FOUND},
    {MATCH_DOMAIN, false, ".a.b", "a.b", "", TABLE_NOT_FOUND},
    {MATCH_DOMAIN, false, ".a.b", "xa.b", "", TABLE_NOT_FOUND},
    {MATCH_DOMAIN, false, ".a.b", ".a.b", "", TABLE_FOUND},
    {MATCH_DOMAIN, true, "a.b", "y.x.a.b", "", TABLE_FOUND},
    {MATCH_DOMAIN, true, "a.b", "xa.b", "", TABLE_NOT_FOUND},
    {MATCH_DOMAIN, true, "a.b", "a.b.c", "", TABLE_NOT_FOUND},
    /* the first item that matches decides */
    {MATCH_DOMAIN, true, "!x.a.b, a.b", "y.a.b", "", TABLE_FOUND},
    {MATCH_DOMAIN, true, "!x.a.b, a.b", "x.a.b", "", TABLE_NOT_FOUND},
    {MATCH_DOMAIN, true, "a.b, !x.a.b", "x.a.b", "", TABLE_FOUND},
    {MATCH_DOMAIN, true, "!!a.b", "a.b", "", TABLE_FOUND},
    /* tables: the key and, below, the domains above */
    {MATCH_STRING, false, "inline:{a.b=1}", "A.B", "", TABLE_FOUND},
    {MATCH_STRING, true, "inline:{a.b=1}", "x.a.b", "", TABLE_NOT_FOUND},
    {MATCH_DOMAIN, true, "inline:{a.b=1}", "x.a.b", "", TABLE_FOUND},
    {MATCH_DOMAIN, false, "inline:{a.b=1}", "x.a.b", "", TABLE_NOT_FOUND},
    {MATCH_DOMAIN, false, "inline:{.a.b=1}", "y.x.a.b", "", TABLE_FOUND},
    {MATCH_DOMAIN, false, "inline:{.b=1}", "x.a.b", "", TABLE_FOUND},
    {MATCH_DOMAIN, false, "!inline:{a.b=1} static:all", "a.b", "", TABLE_NOT_FOUND},
    {MATCH_DOMAIN, false, "!inline:{a.b=1} static:all", "c.b", "", TABLE_FOUND},
    /* a table that fails: no answer, unless something before it decides */
    {MATCH_DOMAIN, false, "hash:/no/such/file", "a.b", "", TABLE_ERROR},
    {MATCH_DOMAIN, false, "a.b, hash:/no/such/file", "a.b", "", TABLE_FOUND},
    {MATCH_DOMAIN, false, "a.b, hash:/no/such/file", "c.d", "", TABLE_ERROR},
    {MATCH_DOMAIN, false, "hash:/no/such/file, a.b", "a.b", "", TABLE_ERROR},
    {MATCH_DOMAIN, false, "/no/such/file, a.b", "a.b", "", TABLE_ERROR},
    /* addresses */
    {MATCH_ADDRESS, false, "192.0.2.0/24", "unknown", "192.0.2.255", TABLE_FOUND},
    {MATCH_ADDRESS, false, "192.0.2.0/24", "unknown", "192.0.3.0", TABLE_NOT_FOUND},
    {MATCH_ADDRESS, false, "192.0.2.128/25", "unknown", "192.0.2.127", TABLE_NOT_FOUND},
    {MATCH_ADDRESS, false, "192.0.2.128/25", "unknown", "192.0.2.128", TABLE_FOUND},
    {MATCH_ADDRESS, false, "192.0.2.1", "unknown", "192.0.2.1", TABLE_FOUND},
    {MATCH_ADDRESS, false, "192.0.2.1/32", "unknown", "192.0.2.0", TABLE_NOT_FOUND},
    {MATCH_ADDRESS, false, "0.0.0.0/0", "unknown", "203.0.113.9", TABLE_FOUND},
    {MATCH_ADDRESS, false, "0.0.0.0/0", "unknown", "2001:db8::1", TABLE_NOT_FOUND},
    {MATCH_ADDRESS, false, "[2001:db8::]/32", "unknown", "2001:db8:ffff::1", TABLE_FOUND},
    {MATCH_ADDRESS, false, "[2001:db8::]/32", "unknown", "2001:db9::1", TABLE_NOT_FOUND},
    {MATCH_ADDRESS, false, "2001:db8::/33", "unknown", "2001:db8:7fff::1", TABLE_FOUND},
    {MATCH_ADDRESS, false, "2001:db8::/33", "unknown", "2001:db8:8000::1", TABLE_NOT_FOUND},
    {MATCH_ADDRESS, false, "[::1]", "unknown", "::1", TABLE_FOUND},
    {MATCH_ADDRESS, false, "[::1]/128", "unknown", "0:0:0:0:0:0:0:1", TABLE_FOUND},
    {MATCH_ADDRESS, false, "[::]/0", "unknown", "2001:db8::1", TABLE_FOUND},
    {MATCH_ADDRESS, false, "[::]/0", "unknown", "192.0.2.1", TABLE_NOT_FOUND},
    {MATCH_ADDRESS, false, "192.0.2.0/24", "unknown", "::ffff:192.0.2.7", TABLE_FOUND},
    {MATCH_ADDRESS, false, "192.0.2.0/24", "192.0.2.7", "", TABLE_NOT_FOUND},
    {MATCH_ADDRESS, false, "192.0.2.0/24", "x", "garbage", TABLE_NOT_FOUND},
    {MATCH_ADDRESS, false, "!192.0.2.7, 192.0.2.0/24", "x", "192.0.2.7", TABLE_NOT_FOUND},
    {MATCH_ADDRESS, false, "!192.0.2.7, 192.0.2.0/24", "x", "192.0.2.8", TABLE_FOUND},
    {MATCH_ADDRESS, false, "mail.a.b, .c.d", "x.c.d", "192.0.2.7", TABLE_FOUND},
    {MATCH_ADDRESS, true, "c.d", "x.c.d", "192.0.2.7", TABLE_FOUND},
    {MATCH_ADDRESS, false, "inline:{192.0.2.7=1}", "x.c.d", "192.0.2.7", TABLE_FOUND},
    {MATCH_ADDRESS, false, "inline:{x.c.d=1}", "x.c.d", "192.0.2.7", TABLE_FOUND},
};

static void
test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf why = {0};
		struct match_list *m =
		    match_list_new(cases[i].kind, cases[i].parent, str_c(cases[i].list), &why);
		enum table_status status;

		if (!m)
			fail_msg("\"%s\": %s", cases[i].list, buf_cstr(&why));
		status = match_list_has(m, str_c(cases[i].key), str_c(cases[i].address), &why);
		if (status != cases[i].status)
			fail_msg("\"%s\" and %s, %s: %d, %s", cases[i].list, cases[i].key,
			    cases[i].address, (int)status, buf_cstr(&why));
		assert_int_equal(why.len > 0, status == TABLE_ERROR);
		match_list_free(&m);
		assert_null(m);
		buf_free(&why);
	}
}

static const struct {
	enum match_kind kind;
	const char *list;
} bad[] = {
    {MATCH_ADDRESS, "10.0.0.1/8"},
    {MATCH_ADDRESS, "10.0.0.0/33"},
    {MATCH_ADDRESS, "10.0.0.0/"},
    {MATCH_ADDRESS, "10.0.0.0/x"},
    {MATCH_ADDRESS, "10.0.0"},
    {MATCH_ADDRESS, "10.0.0.256"},
    {MATCH_ADDRESS, "[2001:db8::1]/32"},
    {MATCH_ADDRESS, "[2001:db8::]/129"},
    {MATCH_ADDRESS, "[2001:db8::/32"},
    {MATCH_ADDRESS, "[]"},
    {MATCH_ADDRESS, "[x]"},
    {MATCH_DOMAIN, "nosuch:/x"},
    {MATCH_DOMAIN, "a.b, !"},
};

static void
test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct buf why = {0};

		if (match_list_new(bad[i].kind, false, str_c(bad[i].list), &why))
			fail_msg("\"%s\" was taken", bad[i].list);
		assert_true(why.len > 0);
		buf_free(&why);
	}
}

static enum table_status
has(struct match_list *m, const char *key, const char *address, const char *cause)
{
	struct buf why = {0};
	enum table_status status = match_list_has(m, str_c(key), str_c(address), &why);

	if (!strstr(buf_cstr(&why), cause))
		fail_msg("%s: \"%s\"", key, buf_cstr(&why));
	buf_free(&why);
	return status;
}

/* Items in files: negation works through, changes are seen, what is wrong is an error and heals. */
static void
test_files(void **state)
{
	static const char networks[] =
	    "# ours\n192.0.2.0/24 !203.0.113.7\n 203.0.113.0/24\n\nhost.a.b\n";
	struct buf list = {0}, why = {0}, path = {0};
	char *dir = fixture_dir();
	struct match_list *m, *frozen;

	(void)state;
	fixture_write(dir, "nets", networks, sizeof networks - 1);
	buf_printf(&list, "%s/nets", dir);
	m = match_list_new(MATCH_ADDRESS, false, buf_view(&list), &why);
	frozen =
	    match_list_new_for(MATCH_ADDRESS, false, buf_view(&list), "mynetworks", true, &why);
	assert_int_equal(has(m, "x", "192.0.2.1", ""), TABLE_FOUND);
	assert_int_equal(has(m, "x", "203.0.113.7", ""), TABLE_NOT_FOUND);
	assert_int_equal(has(m, "x", "203.0.113.8", ""), TABLE_FOUND);
	assert_int_equal(has(m, "host.a.b", "198.51.100.1", ""), TABLE_FOUND);
	assert_int_equal(has(frozen, "x", "192.0.2.1", ""), TABLE_FOUND);
	fixture_write(dir, "nets", "198.51.100.0/24\n", 16);
	usleep(1100 * 1000);
	assert_int_equal(has(m, "x", "192.0.2.1", ""), TABLE_NOT_FOUND);
	assert_int_equal(has(m, "x", "198.51.100.1", ""), TABLE_FOUND);
	assert_int_equal(has(frozen, "x", "192.0.2.1", ""), TABLE_FOUND);
	fixture_write(dir, "nets", "198.51.100.0/24\n\n10.0.0.1/8\n", 28);
	usleep(1100 * 1000);
	assert_int_equal(has(m, "x", "198.51.100.1", "nets, line 3: "), TABLE_ERROR);
	fixture_write(dir, "nets", "198.51.100.0/24\n", 16);
	usleep(1100 * 1000);
	assert_int_equal(has(m, "x", "198.51.100.1", ""), TABLE_FOUND);
	match_list_free(&m);
	match_list_free(&frozen);
	/* !/file: what matches in it is out, what is out in it is in. */
	fixture_write(dir, "nets", networks, sizeof networks - 1);
	buf_reset(&list);
	buf_printf(&list, "!%s/nets 0.0.0.0/0", dir);
	m = match_list_new(MATCH_ADDRESS, false, buf_view(&list), &why);
	assert_int_equal(has(m, "x", "192.0.2.1", ""), TABLE_NOT_FOUND);
	assert_int_equal(has(m, "x", "203.0.113.7", ""), TABLE_FOUND);
	assert_int_equal(has(m, "x", "198.51.100.1", ""), TABLE_FOUND);
	match_list_free(&m);
	fixture_remove(dir);
	buf_free(&list);
	buf_free(&why);
	buf_free(&path);
}

/* A file that names itself comes to an end. */
static void
test_depth(void **state)
{
	struct buf list = {0}, why = {0};
	char *dir = fixture_dir();
	struct match_list *m;

	(void)state;
	buf_printf(&list, "%s/self", dir);
	fixture_write(dir, "self", list.data, list.len);
	m = match_list_new(MATCH_DOMAIN, false, buf_view(&list), &why);
	assert_int_equal(has(m, "a.b", "", "nested too deep"), TABLE_ERROR);
	match_list_free(&m);
	assert_null(match_list_new_for(MATCH_DOMAIN, false, buf_view(&list), "x", true, &why));
	fixture_remove(dir);
	buf_free(&list);
	buf_free(&why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cases),
	    cmocka_unit_test(test_bad),
	    cmocka_unit_test(test_files),
	    cmocka_unit_test(test_depth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
