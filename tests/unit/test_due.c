/* test_due - the heap of slots by due time: against a sorted list, at random */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "qmgr/due.h"

#define SLOTS 300
#define STEPS 60000

/* The same slots in a plain array, searched from end to end. */
struct model {
	struct slot slots[SLOTS];
	bool in[SLOTS];
	size_t count;
};

static uint64_t seed = 1;

/* Numerical Recipes' generator: the same run every time. */
static uint64_t
random_of(uint64_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (seed >> 33) % n;
}

static const struct slot *
model_first(const struct model *m)
{
	const struct slot *first = NULL;

	for (size_t i = 0; i < SLOTS; i++) {
		const struct slot *s = &m->slots[i];

		if (m->in[i] &&
		    (!first || s->next < first->next ||
			(s->next == first->next && s->id_us < first->id_us)))
			first = s;
	}
	return first;
}

/* Every slot knows its place, and nobody is due before its parent. */
static void
check(const struct due *d, const struct model *m)
{
	assert_int_equal(d->count, m->count);
	assert_ptr_equal(due_first(d), model_first(m));
	for (size_t i = 1; i <= d->count; i++) {
		const struct slot *child = d->heap[i], *parent = d->heap[i / 2 > 0 ? i / 2 : 1];

		assert_int_equal(child->heap_at, i);
		assert_true(parent->next < child->next ||
		    (parent->next == child->next && parent->id_us <= child->id_us));
	}
	for (size_t i = 0; i < SLOTS; i++)
		assert_int_equal(m->slots[i].heap_at != 0, m->in[i]);
}

static void
put(struct due *d, struct model *m, size_t i, int64_t next)
{
	m->slots[i].next = next;
	due_put(d, &m->slots[i]);
	m->count += !m->in[i];
	m->in[i] = true;
}

static void
take(struct due *d, struct model *m, size_t i)
{
	due_remove(d, &m->slots[i]);
	m->count -= m->in[i];
	m->in[i] = false;
}

static void
model_init(struct model *m)
{
	memset(m, 0, sizeof(*m));
	for (size_t i = 0; i < SLOTS; i++)
		m->slots[i].id_us = (int64_t)(i * 7 % SLOTS); /* no two alike */
}

/* Few different times, so that many are equal and the older message decides. */
static void
test_random(void **state)
{
	struct model m;
	struct due d = {0};

	(void)state;
	model_init(&m);
	for (size_t step = 0; step < STEPS; step++) {
		size_t i = (size_t)random_of(SLOTS);

		switch (random_of(8)) {
		case 0:
		case 1:
			take(&d, &m, i);
			break;
		case 2:
			if (due_first(&d))
				take(&d, &m, (size_t)(due_first(&d) - m.slots));
			break;
		case 3:
			due_shift(&d, (int64_t)random_of(100) - 50);
			break;
		default:
			/* New, or moved to another time. */
			put(&d, &m, i, (int64_t)random_of(40) + (int64_t)(step / 1000));
		}
		if (step % 16 == 0)
			check(&d, &m);
	}
	free(d.heap);
}

/* All out again: by time, and of one time by age. */
static void
test_order(void **state)
{
	struct model m;
	struct due d = {0};
	int64_t next = INT64_MIN, id = -1;

	(void)state;
	model_init(&m);
	for (size_t i = 0; i < SLOTS; i++)
		put(&d, &m, i, (int64_t)(i * 31 % 10));
	for (size_t n = SLOTS; n > 0; n--) {
		struct slot *s = due_first(&d);

		assert_true(s->next > next || (s->next == next && s->id_us > id));
		next = s->next;
		id = s->id_us;
		take(&d, &m, (size_t)(s - m.slots));
		check(&d, &m);
	}
	assert_null(due_first(&d));
	due_remove(&d, &m.slots[0]); /* not in it: nothing */
	check(&d, &m);
	free(d.heap);
}

/* The order stays, and every time is later (or earlier) by the same. */
static void
test_shift(void **state)
{
	struct model m;
	struct due d = {0};

	(void)state;
	model_init(&m);
	due_shift(&d, 5); /* of nothing */
	for (size_t i = 0; i < 100; i++)
		put(&d, &m, i, (int64_t)i);
	m.slots[200].next = 77;
	due_shift(&d, -1000);
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(m.slots[i].next, (int64_t)i - 1000);
	assert_int_equal(m.slots[200].next, 77); /* not waiting: its time is not touched */
	check(&d, &m);
	put(&d, &m, 150, -950); /* among them */
	check(&d, &m);
	free(d.heap);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_random),
	    cmocka_unit_test(test_order),
	    cmocka_unit_test(test_shift),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
