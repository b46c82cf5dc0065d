/* test_feedback - how many deliveries at once a destination bears: the documented rules, by hand */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "qmgr/feedback.h"

static const struct feedback_rules usual = {
    .limit = 20,
    .initial = 5,
    .up = {1, FEEDBACK_BY_ONE},
    .down = {1, FEEDBACK_BY_ONE},
    .cohorts = 1,
    .pause_min = 300,
    .pause_max = 4000,
};

static void
test_parse(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		double amount;
		enum feedback_divisor divisor;
	} cases[] = {
	    {"1", true, 1, FEEDBACK_BY_ONE},
	    {"0", true, 0, FEEDBACK_BY_ONE},
	    {"0.25", true, 0.25, FEEDBACK_BY_ONE},
	    {".5", true, 0.5, FEEDBACK_BY_ONE},
	    {"1/concurrency", true, 1, FEEDBACK_BY_CONCURRENCY},
	    {" 0.5 / sqrt_concurrency ", true, 0.5, FEEDBACK_BY_ROOT},
	    {"", false, 0, FEEDBACK_BY_ONE},
	    {".", false, 0, FEEDBACK_BY_ONE},
	    {"2", false, 0, FEEDBACK_BY_ONE},
	    {"1/", false, 0, FEEDBACK_BY_ONE},
	    {"1/n", false, 0, FEEDBACK_BY_ONE},
	    {"-1", false, 0, FEEDBACK_BY_ONE},
	    {"1.0.0", false, 0, FEEDBACK_BY_ONE},
	    {"1e0", false, 0, FEEDBACK_BY_ONE},
	    {"0.00000000000000000001", false, 0, FEEDBACK_BY_ONE},
	    {"/concurrency", false, 0, FEEDBACK_BY_ONE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct feedback_step step = {7, FEEDBACK_BY_ONE};
		bool ok = feedback_parse(str_c(cases[i].text), &step);

		if (ok != cases[i].ok)
			fail_msg("\"%s\"", cases[i].text);
		assert_true(!ok || step.amount == cases[i].amount);
		assert_true(!ok || step.divisor == cases[i].divisor);
	}
}

/* One more for each success while all are used, up to the limit. */
static void
test_grows(void **state)
{
	struct feedback f;

	(void)state;
	feedback_init(&f, &usual);
	assert_int_equal(f.window, 5);
	for (size_t n = 6; n <= 20; n++) {
		feedback_good(&f, &usual, f.window);
		assert_int_equal(f.window, n);
	}
	for (int i = 0; i < 50; i++)
		feedback_good(&f, &usual, f.window);
	assert_int_equal(f.window, 20);
	assert_true(f.proven);
}

/* What is not used does not grow: a trickle needs no more than what it began with, and as much again. */
static void
test_unused(void **state)
{
	struct feedback f;

	(void)state;
	feedback_init(&f, &usual);
	for (int i = 0; i < 1000; i++)
		feedback_good(&f, &usual, 1);
	assert_int_equal(f.window, 7);
}

/* "1/concurrency": as many successes as there are at once raise it by one. */
static void
test_slow_steps(void **state)
{
	struct feedback_rules rules = usual;
	struct feedback f;

	(void)state;
	rules.up = (struct feedback_step){1, FEEDBACK_BY_CONCURRENCY};
	feedback_init(&f, &rules);
	for (int i = 0; i < 4; i++)
		feedback_good(&f, &rules, 5);
	assert_int_equal(f.window, 5);
	feedback_good(&f, &rules, 5);
	assert_int_equal(f.window, 6);

	rules.up = (struct feedback_step){1, FEEDBACK_BY_ROOT};
	rules.initial = 4;
	feedback_init(&f, &rules);
	feedback_good(&f, &rules, 4);
	assert_int_equal(f.window, 4);
	feedback_good(&f, &rules, 4);
	assert_int_equal(f.window, 5);
}

/* A cohort of failures, each a part of those that were allowed at once: dead. */
static void
test_dies(void **state)
{
	struct feedback f;

	(void)state;
	feedback_init(&f, &usual);
	/* 1/5 + 1/4 + 1/3 are less than one cohort, and with 1/2 more than that. */
	for (size_t n = 4; n >= 2; n--) {
		assert_false(feedback_bad(&f, &usual, 1000, 0));
		assert_int_equal(f.window, n);
	}
	assert_true(feedback_bad(&f, &usual, 1000, 0));
	assert_true(feedback_dead(&f));
	assert_int_equal(f.probe_at, 1000 + 270);
	feedback_good(&f, &usual, 1);
	assert_false(feedback_dead(&f));
	assert_int_equal(f.window, 5);
}

/* A success between failures begins a new cohort. */
static void
test_lives_on(void **state)
{
	struct feedback f;

	(void)state;
	feedback_init(&f, &usual);
	for (int i = 0; i < 100; i++) {
		assert_false(feedback_bad(&f, &usual, 1000, 0));
		feedback_good(&f, &usual, 5);
	}
	assert_int_equal(f.window, 5);
}

static void
test_cohorts(void **state)
{
	struct feedback_rules rules = usual;
	struct feedback f;
	int tries = 1;

	(void)state;
	/* Of one delivery at a time, three that fail are three cohorts. */
	rules.cohorts = 3;
	rules.limit = 1;
	feedback_init(&f, &rules);
	assert_int_equal(f.window, 1);
	while (!feedback_bad(&f, &rules, 1000, 0))
		tries++;
	assert_int_equal(tries, 3);

	/* Never. */
	rules.cohorts = 0;
	feedback_init(&f, &rules);
	for (int i = 0; i < 1000; i++)
		assert_false(feedback_bad(&f, &rules, 1000, 0));
	assert_int_equal(f.window, 1);

	/* No feedback: no shrinking, and a cohort is as many failures as are allowed at once. */
	rules = usual;
	rules.down.amount = 0;
	feedback_init(&f, &rules);
	for (tries = 1; !feedback_bad(&f, &rules, 1000, 0); tries++)
		assert_int_equal(f.window, 5);
	assert_int_equal(tries, 5);

	/* A slow one: whether it is dead is no question of how fast it shrinks. */
	rules.down = (struct feedback_step){1, FEEDBACK_BY_CONCURRENCY};
	rules.initial = rules.limit = 20;
	feedback_init(&f, &rules);
	for (tries = 1; !feedback_bad(&f, &rules, 1000, 0); tries++)
		assert_in_range(f.window, 19, 20);
	assert_in_range(tries, 19, 20);
}

/* Pauses between probes grow, within the bounds, and differ by a tenth at the most. */
static void
test_probes(void **state)
{
	struct feedback f;
	int64_t now = 5000, pause = 300;

	(void)state;
	feedback_init(&f, &usual);
	while (!feedback_bad(&f, &usual, now, 7))
		continue;
	for (int i = 0; i < 12; i++) {
		assert_true(f.probe_at >= now + pause - pause / 10);
		assert_true(f.probe_at <= now + pause + pause / 10);
		now = f.probe_at;
		pause = pause + pause / 2 + 1;
		pause = pause < 4000 ? pause : 4000;
		assert_true(feedback_bad(&f, &usual, now, (uint64_t)i * 12345));
	}
	assert_int_equal(f.pause, 4000);
	/* It lives, and dies again: from the beginning. */
	feedback_good(&f, &usual, 1);
	while (!feedback_bad(&f, &usual, now, 0))
		continue;
	assert_int_equal(f.pause, 300);
}

static void
test_no_limit(void **state)
{
	struct feedback_rules rules = usual;
	struct feedback f;

	(void)state;
	rules.limit = 0;
	rules.initial = 0;
	feedback_init(&f, &rules);
	assert_int_equal(f.window, 1);
	for (int i = 0; i < 100; i++)
		feedback_good(&f, &rules, f.window);
	assert_int_equal(f.window, 101);
	/* A limit that a reload has brought. */
	rules.limit = 3;
	feedback_good(&f, &rules, 101);
	assert_int_equal(f.window, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parse),
	    cmocka_unit_test(test_grows),
	    cmocka_unit_test(test_unused),
	    cmocka_unit_test(test_slow_steps),
	    cmocka_unit_test(test_dies),
	    cmocka_unit_test(test_lives_on),
	    cmocka_unit_test(test_cohorts),
	    cmocka_unit_test(test_probes),
	    cmocka_unit_test(test_no_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
