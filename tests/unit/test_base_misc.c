/* lib/base: base64, checked, list, mem, random and clock. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/base64.h"
#include "lib/base/checked.h"
#include "lib/base/clock.h"
#include "lib/base/list.h"
#include "lib/base/mem.h"
#include "lib/base/random.h"

static void
sums_and_products(void **state)
{
	static const struct {
		size_t a, b;
		bool add, mul;
	} rows[] = {
	    {0, 0, true, true},
	    {0, SIZE_MAX, true, true},
	    {1, SIZE_MAX, false, true},
	    {1, SIZE_MAX - 1, true, true},
	    {2, SIZE_MAX / 2, true, true},
	    {2, SIZE_MAX / 2 + 1, true, false},
	    {SIZE_MAX, SIZE_MAX, false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t a = rows[i].a, b = rows[i].b, result;

		assert_int_equal(checked_add(a, b, &result), rows[i].add);
		if (rows[i].add)
			assert_int_equal(result, a + b);
		assert_int_equal(checked_mul(b, a, &result), rows[i].mul);
		if (rows[i].mul)
			assert_int_equal(result, a * b);
	}
}

struct job {
	int number;
	struct list_link link;
};

static int
number_of(struct list_link *l)
{
	return LIST_ITEM(l, struct job, link)->number;
}

static void
lists(void **state)
{
	struct job jobs[5];
	struct list list;
	int expected[] = {0, 1, 2, 3, 4}, i = 0;

	(void)state;
	memset(jobs, 0, sizeof(jobs));
	list_init(&list);
	assert_true(list_empty(&list));
	assert_null(list_first(&list));
	assert_null(list_shift(&list));
	for (int n = 0; n < 5; n++)
		jobs[n].number = n;
	assert_false(list_linked(&jobs[2].link));
	list_append(&list, &jobs[2].link);
	assert_true(list_linked(&jobs[2].link));
	list_prepend(&list, &jobs[0].link);
	list_append(&list, &jobs[4].link);
	list_insert_before(&list, &jobs[2].link, &jobs[1].link);
	list_insert_before(&list, &jobs[4].link, &jobs[3].link);
	for (struct list_link *l = list_first(&list); l; l = list_next(&list, l))
		assert_int_equal(number_of(l), expected[i++]);
	assert_int_equal(i, 5);
	assert_int_equal(list.count, 5);
	list_remove(&list, &jobs[4].link);
	list_remove(&list, &jobs[2].link);
	assert_false(list_linked(&jobs[2].link));
	assert_int_equal(number_of(list_shift(&list)), 0);
	assert_int_equal(number_of(list_shift(&list)), 1);
	assert_int_equal(number_of(list_shift(&list)), 3);
	assert_true(list_empty(&list));
	assert_null(list_shift(&list));
}

static void
memory(void **state)
{
	char *p = mem_alloc(1000), *copy;

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(p[i], 0);
	memset(p, 'x', 1000);
	p = mem_resize(p, 100000);
	assert_int_equal(p[999], 'x');
	p = mem_resize(p, 0);
	assert_non_null(p);
	free(p);
	p = mem_array(0, 0);
	assert_non_null(p);
	free(p);
	copy = mem_strdup("copy");
	assert_string_equal(copy, "copy");
	free(copy);
}

#ifdef POSTKEEP_SANITIZED
#define SANITIZED true
#else
#define SANITIZED false
#endif

/* Pages of this process that are in memory. */
static size_t
resident(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	size_t all, here;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%zu %zu", &all, &here), 2);
	assert_int_equal(fclose(f), 0);
	return here;
}

/* What was freed between pieces that stay goes back to the system, and nothing else does. */
static void
memory_given_back(void **state)
{
	enum { PIECES = 1000, LARGE = 65000, SMALL = 100 };
	char *large[PIECES], *small[PIECES];
	size_t before, after, pages = (size_t)PIECES * LARGE / (size_t)sysconf(_SC_PAGESIZE);

	(void)state;
	if (SANITIZED)
		skip(); /* another allocator */
	for (size_t i = 0; i < PIECES; i++) {
		large[i] = mem_alloc(LARGE);
		memset(large[i], 'x', LARGE);
		small[i] = mem_alloc(SMALL);
		memset(small[i], (int)(i % 100), SMALL);
	}
	for (size_t i = 0; i < PIECES; i++)
		free(large[i]);
	before = resident();
	mem_give_back((size_t)PIECES * LARGE * 2);
	assert_true(resident() + pages / 10 > before);
	mem_give_back(1 << 20);
	after = resident();
	assert_true(after + pages / 2 < before);
	for (size_t i = 0; i < PIECES; i++) {
		assert_int_equal(small[i][SMALL - 1], i % 100);
		free(small[i]);
	}
}

static void
random_numbers(void **state)
{
	size_t hits[10] = {0};
	unsigned char a[64], b[64];

	(void)state;
	/* 10000 draws of 10: a count outside these bounds has odds of less than 1 to 10^20. */
	for (int i = 0; i < 10000; i++) {
		uint64_t n = random_below(10);

		assert_in_range(n, 0, 9);
		hits[n]++;
	}
	for (int i = 0; i < 10; i++)
		assert_in_range(hits[i], 700, 1300);
	for (int i = 0; i < 100; i++)
		assert_int_equal(random_below(1), 0);
	memset(a, 0, sizeof(a));
	memset(b, 0, sizeof(b));
	random_bytes(a, sizeof(a) - 1);
	random_bytes(b, sizeof(b) - 1);
	assert_memory_not_equal(a, b, sizeof(a) - 1);
	assert_int_equal(a[63], 0);
}

static void
clocks(void **state)
{
	int64_t before = clock_mono_ms(), wall = clock_wall_us();
	time_t now = time(NULL);

	(void)state;
	usleep(20000);
	/* A busy machine may sleep much longer, never shorter. */
	assert_in_range(clock_mono_ms() - before, 19, 60000);
	assert_in_range(clock_wall() - now, 0, 60);
	assert_in_range(wall / 1000000 - now + 1, 0, 60);
}

static void
base64_both_ways(void **state)
{
	/* RFC 4648 section 10, and every byte. */
	static const char *const rows[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="},
	    {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"},
	    {"\xfb\xff\xbf", "+/+/"}};
	unsigned char all[256];
	struct buf text = {0}, back = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_reset(&text);
		buf_reset(&back);
		base64_encode(str_c(rows[i][0]), &text);
		assert_string_equal(buf_cstr(&text), rows[i][1]);
		assert_true(base64_decode(buf_view(&text), &back));
		assert_string_equal(buf_cstr(&back), rows[i][0]);
	}
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (unsigned char)i;
	for (size_t len = 0; len <= sizeof(all); len++) {
		buf_reset(&text);
		buf_reset(&back);
		base64_encode(str_n(all, len), &text);
		assert_true(base64_decode(buf_view(&text), &back));
		assert_true(str_eq(buf_view(&back), str_n(all, len)));
	}
	buf_free(&text);
	buf_free(&back);
}

static void
base64_refused(void **state)
{
	static const char *const rows[] = {"Z", "Zg", "Zg=", "=",
	    "====", "Z===", "Zg==Zg==", "Zm9v\n", "Zm 9", "Zm9-", "Zm9_", "Zh==", "Zm9=", "Zg=v",
	    "Z=g="};
	struct buf out = {0};

	(void)state;
	buf_puts(&out, "kept");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_false(base64_decode(str_c(rows[i]), &out));
		assert_string_equal(buf_cstr(&out), "kept");
	}
	buf_free(&out);
}

static void
secrets_wiped(void **state)
{
	char secret[] = "secret";
	struct buf b = {0};

	(void)state;
	mem_wipe(secret, sizeof(secret));
	assert_memory_equal(secret, "\0\0\0\0\0\0", sizeof(secret));
	mem_wipe(NULL, 0);
	buf_puts(&b, "secret");
	buf_wipe(&b);
	assert_null(b.data);
	assert_int_equal(b.len, 0);
	buf_wipe(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sums_and_products),
	    cmocka_unit_test(lists),
	    cmocka_unit_test(memory),
	    cmocka_unit_test(memory_given_back),
	    cmocka_unit_test(random_numbers),
	    cmocka_unit_test(clocks),
	    cmocka_unit_test(base64_both_ways),
	    cmocka_unit_test(base64_refused),
	    cmocka_unit_test(secrets_wiped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
