/*
 * test_master - when master starts a process, and how long it waits after a failure
 *
 * Both decide from plain state, so the state is made here; processes are the matter of
 * tests/system/test_master.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "master/master.h"

#define CHILDREN 4
#define NOW 1000000

/* One process of the service: what master knows of it. */
struct child_state {
	bool there, ready, leaving, ordered_end;
	unsigned sessions, free, load;
};

#define STARTING                                                                                   \
	{                                                                                          \
		.there = true                                                                      \
	}
#define IDLE                                                                                       \
	{                                                                                          \
		.there = true, .ready = true, .free = 100                                          \
	}
#define BUSY                                                                                       \
	{                                                                                          \
		.there = true, .ready = true, .sessions = 9, .free = 91, .load = 80                \
	}
#define FULL                                                                                       \
	{                                                                                          \
		.there = true, .ready = true, .sessions = 100                                      \
	}
#define FULL_ONE                                                                                   \
	{                                                                                          \
		.there = true, .ready = true, .sessions = 1                                        \
	}
#define LEAVING                                                                                    \
	{                                                                                          \
		.there = true, .ready = true, .leaving = true, .sessions = 5                       \
	}
#define ENDING                                                                                     \
	{                                                                                          \
		.there = true, .ready = true, .ordered_end = true, .sessions = 5                   \
	}

struct policy_case {
	const char *what;
	bool single, event_driven, kept, wakeup;
	int maxproc;
	struct child_state children[CHILDREN];
	enum policy_want want;
};

static const struct policy_case policy_cases[] = {
    {"nobody there", 0, 1, 0, 0, 100, {{0}}, POLICY_POLL},
    {"nobody there, always runs", 1, 1, 1, 0, 1, {{0}}, POLICY_START},
    {"nobody there, the timer has rung", 1, 1, 0, 1, 1, {{0}}, POLICY_START},
    {"one is coming", 0, 1, 0, 0, 100, {STARTING}, POLICY_NOTHING},
    {"one is coming, though another is full", 0, 1, 0, 0, 100, {FULL, STARTING}, POLICY_NOTHING},
    {"one has room", 0, 1, 0, 0, 100, {IDLE}, POLICY_NOTHING},
    {"one has room, though busy, one core each", 0, 1, 0, 0, 100, {BUSY}, POLICY_START},
    {"as many as cores are busy", 0, 1, 0, 0, 100, {BUSY, BUSY}, POLICY_NOTHING},
    {"one is busy, another is not", 0, 1, 0, 0, 100, {BUSY, IDLE}, POLICY_NOTHING},
    {"busy, but the limit is one", 0, 1, 0, 0, 1, {BUSY}, POLICY_NOTHING},
    {"full", 0, 1, 0, 0, 100, {FULL}, POLICY_POLL},
    {"full, the limit reached", 0, 1, 0, 0, 1, {FULL}, POLICY_NOTHING},
    {"cores full, and more sessions than the limit", 0, 1, 0, 0, 100, {FULL, FULL}, POLICY_NOTHING},
    {"cores full of one session each", 0, 1, 0, 0, 100, {FULL_ONE, FULL_ONE}, POLICY_POLL},
    {"cores full of one session each, the limit reached", 0, 1, 0, 0, 2, {FULL_ONE, FULL_ONE},
	POLICY_NOTHING},
    {"no limit", 0, 1, 0, 0, 0, {FULL, FULL, FULL}, POLICY_POLL},
    {"the only one leaves", 0, 1, 0, 0, 100, {LEAVING}, POLICY_POLL},
    {"the only one was told to end, event-driven, limit one", 0, 1, 0, 0, 1, {ENDING}, POLICY_POLL},
    {"the only one was told to end, limit one", 0, 0, 0, 0, 1, {ENDING}, POLICY_NOTHING},
    {"single: the last one leaves", 1, 1, 1, 0, 1, {LEAVING}, POLICY_NOTHING},
    {"single: the last one was told to end", 1, 1, 1, 1, 1, {ENDING}, POLICY_NOTHING},
    {"one session each: all taken", 0, 0, 0, 0, 3, {FULL_ONE, FULL_ONE}, POLICY_POLL},
    {"one session each: the limit", 0, 0, 0, 0, 2, {FULL_ONE, FULL_ONE}, POLICY_NOTHING},
    {"one session each: busy is no reason", 0, 0, 0, 0, 3, {BUSY}, POLICY_NOTHING},
};

struct world {
	struct master m;
	struct plan_service plan;
	struct master_service service;
	struct master_child children[CHILDREN];
	char path[8];
};

static void
make_world(struct world *w, const struct policy_case *c)
{
	memset(w, 0, sizeof(*w));
	list_init(&w->m.children);
	w->m.cores = 2;
	memcpy(w->path, "/x", 3);
	w->plan.path = w->path;
	w->plan.single = c->single;
	w->plan.event_driven = c->event_driven;
	w->plan.maxproc = c->maxproc;
	w->service.plan = &w->plan;
	w->service.kept = c->kept;
	w->service.wakeup_pending = c->wakeup;
	for (size_t i = 0; i < CHILDREN; i++) {
		const struct child_state *s = &c->children[i];
		struct master_child *child = &w->children[i];

		if (!s->there)
			continue;
		child->service = &w->service;
		child->path = w->path;
		child->single = c->single;
		child->ordered_end = s->ordered_end;
		child->status = (struct service_status){.sessions = s->sessions,
		    .free = s->free,
		    .load = s->load,
		    .ready = s->ready,
		    .leaving = s->leaving};
		list_append(&w->m.children, &child->link);
	}
}

static void
test_policy(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(policy_cases) / sizeof(policy_cases[0]); i++) {
		const struct policy_case *c = &policy_cases[i];
		struct world w;

		make_world(&w, c);
		if (policy_want(&w.m, &w.service, NOW) != c->want)
			fail_msg("%s", c->what);
		w.service.not_before = NOW + 1;
		if (policy_want(&w.m, &w.service, NOW) != POLICY_NOTHING)
			fail_msg("%s: started though it has just failed", c->what);
		w.service.not_before = NOW;
		if (policy_want(&w.m, &w.service, NOW) != c->want)
			fail_msg("%s: the pause is over", c->what);
		w.m.phase = PHASE_SOURCES;
		if (policy_want(&w.m, &w.service, NOW) != POLICY_NOTHING)
			fail_msg("%s: started while the suite stops", c->what);
	}
}

/* The process of a line that is gone still keeps a single program from starting again. */
static void
test_single_without_service(void **state)
{
	static const struct policy_case c = {"", 1, 1, 1, 0, 1, {IDLE}, POLICY_NOTHING};
	struct world w;

	(void)state;
	make_world(&w, &c);
	w.children[0].service = NULL;
	assert_int_equal(policy_want(&w.m, &w.service, NOW), POLICY_NOTHING);
	list_remove(&w.m.children, &w.children[0].link);
	assert_int_equal(policy_want(&w.m, &w.service, NOW), POLICY_START);
}

static void
test_pauses(void **state)
{
	static const int64_t pauses[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};
	static const struct policy_case c = {"", 0, 1, 0, 0, 1, {{0}}, POLICY_POLL};
	char name[] = "smtp";
	struct master_entry entry = {.name = name};
	struct world w;
	int64_t now = NOW;

	(void)state;
	make_world(&w, &c);
	w.plan.entry = &entry;
	assert_false(failure_recent(&w.service, now));
	for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
		failure_note(&w.service, "process x ended", now);
		assert_int_equal(w.service.not_before, now + pauses[i] * 1000);
		/* Another process of the service that falls in the pause changes nothing. */
		failure_note(&w.service, "process y ended", now + 1);
		assert_int_equal(w.service.not_before, now + pauses[i] * 1000);
		now = w.service.not_before;
	}
	/* Just less than a good minute, then a good minute. */
	failure_note(&w.service, "process x ended", now + 59999);
	assert_int_equal(w.service.not_before, now + 59999 + 60000);
	now = w.service.not_before;
	assert_true(failure_recent(&w.service, now + 59999));
	assert_false(failure_recent(&w.service, now + 60000));
	failure_note(&w.service, "process x ended", now + 60000);
	assert_int_equal(w.service.not_before, now + 60000 + 1000);
}

static void
test_words(void **state)
{
	static const struct {
		int status;
		const char *text;
	} cases[] = {
	    {0, "ended with exit status 0"},
	    {75 << 8, "ended with exit status 75"},
	    {11, "was killed by signal 11 (Segmentation fault)"},
	    {11 | 0x80, "was killed by signal 11 (Segmentation fault), core dumped"},
	    {9, "was killed by signal 9 (Killed)"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf b = {0};

		failure_describe(cases[i].status, &b);
		assert_string_equal(buf_cstr(&b), cases[i].text);
		buf_free(&b);
	}
}

/* A process that hangs at its start, or at its end, is killed: not a millisecond early. */
static void
test_overdue(void **state)
{
	static const struct {
		struct child_state child;
		bool single;
		int64_t after; /* ms; 0 = never */
	} cases[] = {
	    {STARTING, false, 120000},
	    {IDLE, true, 0},
	    {ENDING, true, 60000},
	    {ENDING, false, 0},
	    {LEAVING, true, 60000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct policy_case c = {.children = {cases[i].child}, .single = cases[i].single};
		struct world w;
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			pause();
			_exit(0);
		}
		make_world(&w, &c);
		w.children[0].pid = pid;
		w.children[0].started = NOW;
		overdue_check(&w.m, NOW);
		assert_int_equal(
		    overdue_next(&w.m), cases[i].after ? NOW + cases[i].after : INT64_MAX);
		overdue_check(&w.m, NOW + cases[i].after - 1);
		assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
		overdue_check(&w.m, NOW + cases[i].after);
		if (cases[i].after == 0)
			kill(pid, SIGTERM);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(WTERMSIG(status), cases[i].after ? SIGKILL : SIGTERM);
		assert_int_equal(overdue_next(&w.m), INT64_MAX);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_policy),
	    cmocka_unit_test(test_single_without_service),
	    cmocka_unit_test(test_pauses),
	    cmocka_unit_test(test_words),
	    cmocka_unit_test(test_overdue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
