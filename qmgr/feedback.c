/*
 * feedback - how many deliveries at once a destination bears: see feedback.h
 */
#include "qmgr/feedback.h"

#include <string.h>

#define EPSILON 0.0001 /* sums of fractions such as 1/3 come short of 1 */

/* The root of a number of at most some thousands, without the library of mathematics. */
static double
root(size_t n)
{
	double x = (double)n;

	for (int i = 0; i < 20; i++)
		x = (x + (double)n / x) / 2;
	return x;
}

static double
step_of(const struct feedback_step *step, size_t window)
{
	switch (step->divisor) {
	case FEEDBACK_BY_CONCURRENCY:
		return step->amount / (double)window;
	case FEEDBACK_BY_ROOT:
		return step->amount / root(window);
	default:
		return step->amount;
	}
}

static size_t
first_window(const struct feedback_rules *rules)
{
	size_t n = rules->initial > 0 ? rules->initial : 1;

	return rules->limit > 0 && n > rules->limit ? rules->limit : n;
}

void
feedback_init(struct feedback *f, const struct feedback_rules *rules)
{
	memset(f, 0, sizeof(*f));
	f->window = first_window(rules);
}

bool
feedback_dead(const struct feedback *f)
{
	return f->window == 0;
}

void
feedback_good(struct feedback *f, const struct feedback_rules *rules, size_t busy)
{
	if (f->window == 0) {
		feedback_init(f, rules);
		f->proven = true;
		return;
	}
	f->proven = true;
	f->failed_cohorts = 0;
	f->lost = 0;
	f->pause = 0;
	if (rules->limit > 0 && f->window >= rules->limit) {
		f->window = rules->limit; /* which a reload may have lowered */
		f->gained = 0;
		return;
	}
	/* What is not used need not grow. */
	if (f->window > busy + first_window(rules))
		return;
	f->gained += step_of(&rules->up, f->window);
	while (f->gained > 1 - EPSILON && (rules->limit == 0 || f->window < rules->limit)) {
		f->window++;
		f->gained -= 1;
	}
	if (f->gained < 0)
		f->gained = 0;
}

/* The next probe: the pause grows by half each time, within its bounds, a tenth more or less. */
static void
put_off_probe(struct feedback *f, const struct feedback_rules *rules, int64_t now, uint64_t random)
{
	int64_t pause = f->pause > 0 ? f->pause + f->pause / 2 + 1 : rules->pause_min;
	int64_t jitter;

	if (pause > rules->pause_max)
		pause = rules->pause_max;
	if (pause < 1)
		pause = 1;
	jitter = pause / 10;
	f->pause = pause;
	f->probe_at = now + pause - jitter + (int64_t)(random % (uint64_t)(2 * jitter + 1));
}

bool
feedback_bad(struct feedback *f, const struct feedback_rules *rules, int64_t now, uint64_t random)
{
	if (f->window == 0) {
		put_off_probe(f, rules, now, random);
		return true;
	}
	f->gained = 0;
	f->failed_cohorts += 1.0 / (double)f->window;
	if (rules->cohorts > 0 && f->failed_cohorts >= (double)rules->cohorts - EPSILON) {
		f->window = 0;
		f->proven = false;
		put_off_probe(f, rules, now, random);
		return true;
	}
	/* Fewer at once, but whatever it lowers, one may always try until whole cohorts have failed. */
	f->lost += step_of(&rules->down, f->window);
	while (f->lost > 1 - EPSILON) {
		f->window -= f->window > 1;
		f->lost -= 1;
	}
	if (f->lost < 0)
		f->lost = 0;
	return false;
}
