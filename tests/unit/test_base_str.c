/* lib/base/str: every function with text inside, at the ends, empty, and with NUL bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/str.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct str nothing = {NULL, 0};

static int
sign(int n)
{
	return (n > 0) - (n < 0);
}

static void
compare(void **state)
{
	static const struct {
		struct str a, b;
		int order;
		bool same_nocase;
	} rows[] = {
	    {STR(""), STR(""), 0, true},
	    {{NULL, 0}, STR(""), 0, true},
	    {{NULL, 0}, STR("a"), -1, false},
	    {STR("a"), {NULL, 0}, 1, false},
	    {STR("abc"), STR("abc"), 0, true},
	    {STR("abc"), STR("ABC"), 1, true},
	    {STR("abc"), STR("abd"), -1, false},
	    {STR("ab"), STR("abc"), -1, false},
	    {STR("a\0b"), STR("a\0c"), -1, false},
	    {STR("a\0b"), STR("A\0B"), 1, true},
	    {STR("a"), STR("a\0"), -1, false},
	    {STR("@[`{"), STR("`{@["), -1, false},
	    {STR("\xc4"), STR("\xe4"), -1, false},
	    {STR("\x7f"), STR("\x80"), -1, false},
	    {STR("zZ"), STR("Zz"), 1, true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct str a = rows[i].a, b = rows[i].b;

		assert_int_equal(sign(str_cmp(a, b)), rows[i].order);
		assert_int_equal(sign(str_cmp(b, a)), -rows[i].order);
		assert_int_equal(str_eq(a, b), rows[i].order == 0);
		assert_int_equal(str_eq_nocase(a, b), rows[i].same_nocase);
	}
}

static void
starts_and_ends(void **state)
{
	static const struct {
		struct str s, part;
		bool starts, starts_nocase, ends_nocase;
	} rows[] = {
	    {STR("mail.example"), STR("mail"), true, true, false},
	    {STR("mail.example"), STR("MAIL"), false, true, false},
	    {STR("mail.example"), STR(".Example"), false, false, true},
	    {STR("mail"), STR("mail"), true, true, true},
	    {STR("mail"), STR("email"), false, false, false},
	    {STR("mail"), STR(""), true, true, true},
	    {{NULL, 0}, {NULL, 0}, true, true, true},
	    {STR(""), STR("x"), false, false, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(str_starts(rows[i].s, rows[i].part), rows[i].starts);
		assert_int_equal(str_starts_nocase(rows[i].s, rows[i].part), rows[i].starts_nocase);
		assert_int_equal(str_ends_nocase(rows[i].s, rows[i].part), rows[i].ends_nocase);
	}
}

static void
search(void **state)
{
	static const struct {
		struct str s;
		char c;
		size_t first, last;
		struct str needle;
		size_t found;
	} rows[] = {
	    {STR("a@b@c"), '@', 1, 3, STR("@c"), 3},
	    {STR("@"), '@', 0, 0, STR("@"), 0},
	    {STR("abc"), '@', STR_NPOS, STR_NPOS, STR("bd"), STR_NPOS},
	    {STR("x\0y\0"), '\0', 1, 3, STR("y\0"), 2},
	    {STR(""), 'a', STR_NPOS, STR_NPOS, STR("a"), STR_NPOS},
	    {{NULL, 0}, 'a', STR_NPOS, STR_NPOS, {NULL, 0}, 0},
	    {STR("aab"), 'b', 2, 2, STR("aab"), 0},
	    {STR("ab"), 'b', 1, 1, STR("abc"), STR_NPOS},
	    {STR("\xff\xfe"), '\xfe', 1, 1, STR("\xfe"), 1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(str_chr(rows[i].s, rows[i].c), rows[i].first);
		assert_int_equal(str_rchr(rows[i].s, rows[i].c), rows[i].last);
		assert_int_equal(str_find(rows[i].s, rows[i].needle), rows[i].found);
	}
	/* A view's end is its end, whatever stands behind it in memory. */
	assert_int_equal(str_chr(str_n("ab@", 2), '@'), STR_NPOS);
	assert_int_equal(str_find(str_n("ab@", 2), STR("b@")), STR_NPOS);
}

static void
parts(void **state)
{
	static const struct {
		size_t from, n;
		struct str want;
	} rows[] = {
	    {0, 5, STR("abcde")},
	    {0, 6, STR("abcde")},
	    {0, 0, STR("")},
	    {1, 3, STR("bcd")},
	    {4, 1, STR("e")},
	    {4, STR_NPOS, STR("e")},
	    {5, 1, STR("")},
	    {STR_NPOS, STR_NPOS, STR("")},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_true(str_eq(str_sub(STR("abcde"), rows[i].from, rows[i].n), rows[i].want));
	assert_true(str_eq(str_from(STR("abcde"), 2), STR("cde")));
	assert_int_equal(str_sub(nothing, 0, 3).len, 0);
	assert_int_equal(str_c(NULL).len, 0);
	assert_non_null(str_c(NULL).data);
	assert_non_null(str_n(NULL, 0).data);
	assert_true(str_eq(str_c("abc"), STR("abc")));
}

static void
trim(void **state)
{
	static const struct {
		struct str s, both, end;
	} rows[] = {
	    {STR(" \ta b\r\n"), STR("a b"), STR(" \ta b")},
	    {STR("ab"), STR("ab"), STR("ab")},
	    {STR(" \t\r\n"), STR(""), STR("")},
	    {STR(""), STR(""), STR("")},
	    {{NULL, 0}, STR(""), STR("")},
	    {STR(" \0 "), STR("\0"), STR(" \0")},
	    {STR("\va\f"), STR("\va\f"), STR("\va\f")},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_true(str_eq(str_trim(rows[i].s), rows[i].both));
		assert_true(str_eq(str_trim_end(rows[i].s), rows[i].end));
	}
}

static void
tokens(void **state)
{
	static const struct {
		struct str s;
		const char *separators;
		struct str want[4];
		size_t count;
	} rows[] = {
	    {STR("a, b,c"), ", ", {STR("a"), STR("b"), STR("c")}, 3},
	    {STR(",,a,,"), ",", {STR("a")}, 1},
	    {STR(",, "), ", ", {{NULL, 0}}, 0},
	    {STR(""), ",", {{NULL, 0}}, 0},
	    {{NULL, 0}, ",", {{NULL, 0}}, 0},
	    {STR("a b"), "", {STR("a b")}, 1},
	    {STR("a\0b c"), " ", {STR("a\0b"), STR("c")}, 2},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct str rest = rows[i].s, token;

		for (size_t j = 0; j < rows[i].count; j++) {
			assert_true(str_token(&rest, rows[i].separators, &token));
			assert_true(str_eq(token, rows[i].want[j]));
		}
		assert_false(str_token(&rest, rows[i].separators, &token));
		assert_int_equal(rest.len, 0);
	}
}

static void
numbers(void **state)
{
	static const struct {
		struct str s;
		uint64_t max;
		bool ok;
		uint64_t value;
	} rows[] = {
	    {STR("0"), 0, true, 0},
	    {STR("1"), 0, false, 0},
	    {STR("007"), 7, true, 7},
	    {STR("4294967295"), UINT32_MAX, true, UINT32_MAX},
	    {STR("4294967296"), UINT32_MAX, false, 0},
	    {STR("18446744073709551615"), UINT64_MAX, true, UINT64_MAX},
	    {STR("18446744073709551616"), UINT64_MAX, false, 0},
	    {STR("184467440737095516150"), UINT64_MAX, false, 0},
	    {STR("99999999999999999999999999"), UINT64_MAX, false, 0},
	    {STR(""), 9, false, 0},
	    {{NULL, 0}, 9, false, 0},
	    {STR("-1"), 9, false, 0},
	    {STR("+1"), 9, false, 0},
	    {STR(" 1"), 9, false, 0},
	    {STR("1 "), 9, false, 0},
	    {STR("1\0"), 9, false, 0},
	    {STR("1x"), 9, false, 0},
	    {STR("\xb2"), 9, false, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint64_t value = 4711;

		assert_int_equal(str_to_u64(rows[i].s, rows[i].max, &value), rows[i].ok);
		assert_int_equal(value, rows[i].ok ? rows[i].value : 4711);
	}
}

static void
copies(void **state)
{
	char *copy = str_dup(str_n("a\0bcd", 4)), *empty = str_dup(nothing);

	(void)state;
	assert_memory_equal(copy, "a\0bc", 5);
	assert_string_equal(empty, "");
	free(copy);
	free(empty);
}

static int
precision_of(int precision, const char *data)
{
	(void)data;
	return precision;
}

static void
printf_arguments(void **state)
{
	(void)state;
	/* A length that is no int must not turn negative, which printf takes for "no bound". */
	assert_int_equal(precision_of(STR_ARG(((struct str){"", SIZE_MAX}))), INT_MAX);
	assert_int_equal(precision_of(STR_ARG(((struct str){"", (size_t)INT_MAX + 1}))), INT_MAX);
	assert_int_equal(precision_of(STR_ARG(((struct str){"", INT_MAX}))), INT_MAX);
	assert_int_equal(precision_of(STR_ARG(STR("abc"))), 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(compare),
	    cmocka_unit_test(starts_and_ends),
	    cmocka_unit_test(search),
	    cmocka_unit_test(parts),
	    cmocka_unit_test(trim),
	    cmocka_unit_test(tokens),
	    cmocka_unit_test(numbers),
	    cmocka_unit_test(copies),
	    cmocka_unit_test(printf_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
