/* lib/base/hash: against a model, with growth, deletions and walks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/hash.h"

#define KEYS 3000

struct key {
	char text[24];
	size_t len;
};

static struct str
key_of(struct key *k, size_t i)
{
	k->len = (size_t)snprintf(k->text, sizeof(k->text), "user%zu@example", i);
	return (struct str){k->text, k->len};
}

static void
put_get_del(void **state)
{
	struct hash *h = hash_new();
	int one = 1, two = 2;

	(void)state;
	assert_int_equal(hash_count(h), 0);
	assert_null(hash_get(h, STR("a")));
	assert_null(hash_del(h, STR("a")));
	assert_null(hash_put(h, STR("a"), &one));
	assert_ptr_equal(hash_get(h, STR("a")), &one);
	assert_ptr_equal(hash_put(h, STR("a"), &two), &one);
	assert_int_equal(hash_count(h), 1);
	assert_ptr_equal(hash_del(h, STR("a")), &two);
	assert_null(hash_get(h, STR("a")));
	assert_int_equal(hash_count(h), 0);
	hash_free(&h, NULL);
	assert_null(h);
	hash_free(&h, NULL);
}

static void
keys_are_bytes(void **state)
{
	static const struct str keys[] = {STR(""), STR("a"), STR("A"), STR("a\0"), STR("a\0b"),
	    STR("\0"), STR("\0\0"), STR("ab"), STR("\xff")};
	struct hash *h = hash_new();

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		assert_null(hash_put(h, keys[i], (void *)&keys[i]));
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		assert_ptr_equal(hash_get(h, keys[i]), &keys[i]);
	assert_ptr_equal(hash_get(h, (struct str){NULL, 0}), &keys[0]);
	hash_free(&h, NULL);
}

static void
the_table_copies_its_keys(void **state)
{
	char key[] = "first";
	struct hash *h = hash_new();

	(void)state;
	hash_put(h, str_c(key), key);
	memset(key, 'x', 5);
	assert_ptr_equal(hash_get(h, STR("first")), key);
	assert_null(hash_get(h, STR("xxxxx")));
	hash_free(&h, NULL);
}

/* Ten thousands of steps, the same ones in every run, compared with an array of what must be there. */
static void
against_a_model(void **state)
{
	char *model[KEYS] = {NULL}, values[7];
	struct hash *h = hash_new();
	uint64_t random = 4711;
	size_t count = 0;

	(void)state;
	for (int step = 0; step < 60000; step++) {
		struct key k;
		/* Filling first, then emptying, twice. */
		bool filling = step / 15000 % 2 == 0;
		char *value = &values[step % 7];
		size_t i;

		random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
		i = (random >> 33) % KEYS;
		if ((random >> 60) < (filling ? 12 : 3)) {
			assert_ptr_equal(hash_put(h, key_of(&k, i), value), model[i]);
			count += model[i] == NULL;
			model[i] = value;
		} else {
			assert_ptr_equal(hash_del(h, key_of(&k, i)), model[i]);
			count -= model[i] != NULL;
			model[i] = NULL;
		}
		assert_int_equal(hash_count(h), count);
		i = (random >> 13) % KEYS;
		assert_ptr_equal(hash_get(h, key_of(&k, i)), model[i]);
	}
	for (size_t i = 0; i < KEYS; i++) {
		struct key k;

		assert_ptr_equal(hash_get(h, key_of(&k, i)), model[i]);
	}
	hash_free(&h, NULL);
}

static void
walk_and_delete(void **state)
{
	/* Of every STEP entries one is deleted, right when the walk returns it. */
	for (size_t step = 1; step < 5; step++) {
		struct hash *h = hash_new();
		bool seen[KEYS] = {false};
		size_t cursor = 0, entries = 0, deleted = 0;
		struct str key;
		void *value;

		(void)state;
		for (size_t i = 0; i < KEYS; i++) {
			struct key k;

			hash_put(h, key_of(&k, i), &seen[i]);
		}
		while (hash_next(h, &cursor, &key, &value)) {
			bool *mark = value;
			struct key k;

			assert_true(str_eq(key, key_of(&k, (size_t)(mark - seen))));
			assert_false(*mark);
			*mark = true;
			if (entries++ % step != 0)
				continue;
			assert_ptr_equal(hash_del(h, key_of(&k, (size_t)(mark - seen))), mark);
			deleted++;
		}
		assert_int_equal(entries, KEYS);
		assert_int_equal(hash_count(h), KEYS - deleted);
		hash_free(&h, NULL);
	}
}

/* The number of steps a walk makes is the number of slots. */
static size_t
slots_of(const struct hash *h)
{
	size_t cursor = 0;
	struct str key;
	void *value;

	while (hash_next(h, &cursor, &key, &value))
		continue;
	return cursor;
}

static void
size_follows_the_count(void **state)
{
	struct hash *h = hash_new();
	struct key k;

	(void)state;
	/* A queue's life: ever new keys, few at a time. */
	for (size_t i = 0; i < 100000; i++) {
		hash_put(h, key_of(&k, i), h);
		if (i >= 3)
			assert_ptr_equal(hash_del(h, key_of(&k, i - 3)), h);
	}
	assert_int_equal(hash_count(h), 3);
	assert_in_range(slots_of(h), 4, 32);
	for (size_t i = 0; i < 10000; i++)
		hash_put(h, key_of(&k, i), h);
	assert_in_range(slots_of(h), 10004, 10003 * 8);
	hash_free(&h, NULL);
}

static void
drop_value(void *value)
{
	++*(int *)value;
}

static void
free_drops_every_value(void **state)
{
	int dropped[100] = {0};
	struct hash *h = hash_new();
	struct key k;

	(void)state;
	for (size_t i = 0; i < 100; i++)
		hash_put(h, key_of(&k, i), &dropped[i]);
	hash_del(h, key_of(&k, 50));
	hash_free(&h, drop_value);
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(dropped[i], i != 50);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(put_get_del),
	    cmocka_unit_test(keys_are_bytes),
	    cmocka_unit_test(the_table_copies_its_keys),
	    cmocka_unit_test(against_a_model),
	    cmocka_unit_test(walk_and_delete),
	    cmocka_unit_test(size_follows_the_count),
	    cmocka_unit_test(free_drops_every_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
