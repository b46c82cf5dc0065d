/* lib/base/arena: sizes around the chunk, alignment, zeroes, resets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>

#include <cmocka.h>

#include "lib/base/arena.h"

static void
check_block(const char *p, size_t n)
{
	assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(p[i], 0);
}

static void
sizes(void **state)
{
	static const size_t first[] = {0, 1, 16, 100, 4096};
	static const size_t rows[] = {
	    0, 1, 15, 16, 17, 99, 100, 101, 1023, 1024, 1025, 65535, 65536, 65537, 300000};

	(void)state;
	for (size_t f = 0; f < sizeof(first) / sizeof(first[0]); f++) {
		struct arena *a = arena_new(first[f]);
		size_t sum = 0;

		/* Three rounds: the later ones get dirty memory, which must come zeroed again. */
		for (int round = 0; round < 3; round++) {
			for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
				char *p = arena_alloc(a, rows[i]);

				check_block(p, rows[i]);
				memset(p, 0xa5, rows[i]);
				sum += rows[i];
				assert_int_equal(arena_used(a), sum);
			}
			arena_reset(a);
			sum = 0;
			assert_int_equal(arena_used(a), 0);
		}
		arena_free(&a);
		assert_null(a);
		arena_free(&a);
	}
}

static void
blocks_do_not_overlap(void **state)
{
	struct arena *a = arena_new(64);
	char *blocks[500];

	(void)state;
	for (size_t i = 0; i < 500; i++) {
		blocks[i] = arena_alloc(a, i);
		memset(blocks[i], (int)(i % 256), i);
	}
	for (size_t i = 0; i < 500; i++)
		for (size_t j = 0; j < i; j++)
			assert_int_equal((unsigned char)blocks[i][j], i % 256);
	arena_free(&a);
}

static void
small_blocks_share_a_chunk(void **state)
{
	struct arena *a = arena_new(4096);
	const char *begin = arena_alloc(a, 1);

	(void)state;
	for (int i = 1; i < 256; i++) {
		const char *p = arena_alloc(a, 16);

		assert_in_range(p - begin, 16, 4095);
	}
	/* The first chunk is kept over a reset. */
	arena_reset(a);
	assert_ptr_equal(arena_alloc(a, 1), begin);
	arena_free(&a);
}

static void
text(void **state)
{
	struct arena *a = arena_new(0);
	struct str s = arena_str(a, str_n("a\0b", 3)), t;

	(void)state;
	assert_true(str_eq(s, str_n("a\0b", 3)));
	assert_int_equal(s.data[3], 0);
	assert_string_equal(arena_cstr(a, str_n("abcd", 3)), "abc");
	assert_string_equal(arena_cstr(a, (struct str){NULL, 0}), "");
	assert_int_equal(arena_str(a, (struct str){NULL, 0}).len, 0);
	for (int width = 1; width < 3000; width += 37) {
		t = arena_printf(a, "%*d", width, 7);
		assert_int_equal(t.len, width);
		assert_int_equal(t.data[t.len - 1], '7');
		assert_int_equal(t.data[t.len], 0);
	}
	assert_int_equal(arena_printf(a, "%s", "").len, 0);
	arena_free(&a);
}

static void
arrays(void **state)
{
	struct arena *a = arena_new(0);
	uint64_t *numbers = arena_array(a, 1000, sizeof(*numbers));

	(void)state;
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(numbers[i], 0);
	assert_int_equal(arena_used(a), 8000);
	assert_non_null(arena_array(a, 0, 8));
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sizes),
	    cmocka_unit_test(blocks_do_not_overlap),
	    cmocka_unit_test(small_blocks_share_a_chunk),
	    cmocka_unit_test(text),
	    cmocka_unit_test(arrays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
