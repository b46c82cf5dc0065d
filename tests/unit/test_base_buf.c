/* lib/base/buf: growth, printing, taking off and handing over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/buf.h"

static void
append(void **state)
{
	struct buf b = {0};

	(void)state;
	buf_append(&b, NULL, 0);
	assert_int_equal(buf_view(&b).len, 0);
	assert_non_null(buf_view(&b).data);
	buf_str(&b, (struct str){NULL, 0});
	buf_puts(&b, "");
	assert_int_equal(b.len, 0);
	buf_puts(&b, "one ");
	buf_str(&b, str_n("two\0", 4));
	buf_putc(&b, '!');
	buf_append(&b, "three", 3);
	assert_true(str_eq(buf_view(&b), str_n("one two\0!thr", 12)));
	buf_free(&b);
	assert_null(b.data);
	assert_int_equal(b.len + b.cap, 0);
}

static void
grows_and_keeps_the_content(void **state)
{
	struct buf b = {0};
	size_t moves = 0, cap = 0;

	(void)state;
	for (size_t i = 0; i < 100000; i++) {
		buf_putc(&b, (char)(i % 251));
		moves += b.cap != cap;
		cap = b.cap;
	}
	assert_int_equal(b.len, 100000);
	for (size_t i = 0; i < b.len; i++)
		assert_int_equal((unsigned char)b.data[i], i % 251);
	/* Doubling: byte by byte stays linear. */
	assert_in_range(moves, 1, 16);
	buf_reset(&b);
	assert_int_equal(b.len, 0);
	assert_int_equal(b.cap, cap);
	buf_free(&b);
}

static void
reserve(void **state)
{
	struct buf b = {0};
	char *at = buf_reserve(&b, 0);

	(void)state;
	assert_non_null(at);
	buf_puts(&b, "ab");
	at = buf_reserve(&b, 1000);
	assert_ptr_equal(at, b.data + 2);
	assert_true(b.cap >= 1002);
	memset(at, 'c', 1000);
	b.len += 1000;
	assert_int_equal(buf_view(&b).data[1001], 'c');
	buf_free(&b);
}

static void
print(void **state)
{
	(void)state;
	/* Below, at and above the room that the first allocation gives. */
	for (int width = 0; width < 200; width++) {
		struct buf b = {0};

		buf_putc(&b, '<');
		buf_printf(&b, "%*s%s", width, "", ">");
		assert_int_equal(b.len, (size_t)width + 2);
		assert_int_equal(b.data[b.len - 1], '>');
		assert_int_equal(b.data[0], '<');
		buf_free(&b);
	}
}

static void
consume_and_truncate(void **state)
{
	static const struct {
		size_t consume, truncate;
		struct str want;
	} rows[] = {
	    {0, 9, STR("abcdef")},
	    {2, 9, STR("cdef")},
	    {2, 1, STR("c")},
	    {5, 1, STR("f")},
	    {6, 6, STR("")},
	    {7, 6, STR("")},
	    {SIZE_MAX, 6, STR("")},
	    {0, 0, STR("")},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b = {0};

		buf_puts(&b, "abcdef");
		buf_consume(&b, rows[i].consume);
		buf_truncate(&b, rows[i].truncate);
		assert_true(str_eq(buf_view(&b), rows[i].want));
		buf_free(&b);
	}
}

static void
as_c_strings(void **state)
{
	struct buf b = {0};
	char *taken;

	(void)state;
	assert_string_equal(buf_cstr(&b), "");
	/* Exactly full: the NUL needs room of its own. */
	while (b.len < b.cap)
		buf_putc(&b, 'x');
	assert_int_equal(strlen(buf_cstr(&b)), b.len);
	taken = buf_take(&b);
	assert_null(b.data);
	assert_int_equal(taken[0], 'x');
	free(taken);
	taken = buf_take(&b);
	assert_string_equal(taken, "");
	free(taken);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(append),
	    cmocka_unit_test(grows_and_keeps_the_content),
	    cmocka_unit_test(reserve),
	    cmocka_unit_test(print),
	    cmocka_unit_test(consume_and_truncate),
	    cmocka_unit_test(as_c_strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
