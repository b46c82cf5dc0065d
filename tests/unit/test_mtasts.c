/*
 * test_mtasts - policies of MTA-STS: what is read of them, how long they hold, which hosts they name
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/fiber/fiber.h"
#include "mtasts/policies.h"
#include "mtasts/policy.h"
#include "mtasts/store.h"
#include "smtp/sts.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HEAD "version: STSv1\nmode: enforce\nmax_age: 86400\n"

static void
test_policy(void **state)
{
	static const struct {
		const char *text;
		enum sts_mode mode;
		int64_t max_age;
		const char *mx; /* NULL: refused */
	} cases[] = {
	    {HEAD "mx: mx.example.org\n", STS_ENFORCE, 86400, "mx.example.org"},
	    {HEAD "mx: mx.example.org", STS_ENFORCE, 86400, "mx.example.org"},
	    {"version: STSv1\r\nmode: testing\r\nmx: MX1.Example.org.\r\nmx: *.example.net\r\n"
	     "max_age: 604800\r\n",
		STS_TESTING, 604800, "mx1.example.org *.example.net"},
	    {"version:STSv1\nmode:none\nmax_age:0\n", STS_NONE, 0, ""},
	    {"\nversion: STSv1\n\nmode: enforce\nmode: none\nmx: a\nmax_age: 1\nmax_age: 2\nnew: "
	     "x\n",
		STS_ENFORCE, 1, "a"},
	    {HEAD "max_age: x\nmx: mx_1.example.org\n", STS_ENFORCE, 86400, "mx_1.example.org"},
	    {"version: STSv1\nmode: enforce\nmax_age: 4294967295\nmx: a\n", STS_ENFORCE, 31557600,
		"a"},
	    {"", 0, 0, NULL},
	    {HEAD, 0, 0, NULL},
	    {"version: STSv2\nmode: enforce\nmax_age: 1\nmx: a\n", 0, 0, NULL},
	    {"mode: enforce\nmax_age: 1\nmx: a\n", 0, 0, NULL},
	    {"version: STSv1\nmax_age: 1\nmx: a\n", 0, 0, NULL},
	    {"version: STSv1\nmode: enforce\nmx: a\n", 0, 0, NULL},
	    {"version: STSv1\nmode: Enforce\nmax_age: 1\nmx: a\n", 0, 0, NULL},
	    {"version: STSv1\nmode: enforce\nmax_age: -1\nmx: a\n", 0, 0, NULL},
	    {"version: STSv1\nmode: enforce\nmax_age: 4294967296\nmx: a\n", 0, 0, NULL},
	    {HEAD "mx: a b\n", 0, 0, NULL},
	    {HEAD "mx: \n", 0, 0, NULL},
	    {HEAD "mx: *\n", 0, 0, NULL},
	    {HEAD "mx: *.\n", 0, 0, NULL},
	    {HEAD "mx: a.*.example\n", 0, 0, NULL},
	    {HEAD "mx: m*.example\n", 0, 0, NULL},
	    {HEAD "mx: .example\n", 0, 0, NULL},
	    {HEAD "mx: a..example\n", 0, 0, NULL},
	    {HEAD "mx: a\xc3\xa4.example\n", 0, 0, NULL},
	    {"<html>\n", 0, 0, NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct arena *a = arena_new(0);
		struct buf why = {0};
		struct policy p;
		bool ok = policy_parse(str_c(cases[i].text), a, &p, &why);

		if (ok != (cases[i].mx != NULL))
			fail_msg("case %zu: %s", i, buf_cstr(&why));
		assert_true(ok == (why.len == 0));
		if (ok) {
			assert_int_equal(p.mode, cases[i].mode);
			assert_int_equal(p.max_age, cases[i].max_age);
			assert_true(str_eq(p.mx, str_c(cases[i].mx)));
		}
		buf_free(&why);
		arena_free(&a);
	}
}

/* A NUL, and more names than are kept: just as many are. */
static void
test_policy_bounds(void **state)
{
	struct arena *a = arena_new(0);
	struct buf text = {0}, why = {0};
	struct policy p;

	(void)state;
	assert_false(policy_parse(str_n(HEAD "mx: a\0b\n", sizeof(HEAD) + 8), a, &p, &why));
	buf_puts(&text, HEAD);
	for (int i = 0; i < MSG_STS_MX_MAX / 8; i++)
		buf_printf(&text, "mx: m%06d\n", i);
	assert_true(policy_parse(str_sub(buf_view(&text), 0, text.len - 12), a, &p, &why));
	assert_true(p.mx.len <= MSG_STS_MX_MAX && p.mx.len > MSG_STS_MX_MAX - 16);
	buf_puts(&text, "mx: one-more\n");
	assert_false(policy_parse(buf_view(&text), a, &p, &why));
	buf_free(&text);
	buf_free(&why);
	arena_free(&a);
}

static void
test_match(void **state)
{
	static const struct {
		const char *patterns, *host;
		bool ok;
	} cases[] = {
	    {"mx.example.org", "mx.example.org", true},
	    {"mx.example.org", "MX.example.ORG.", true},
	    {"mx.example.org", "mx2.example.org", false},
	    {"a.example mx.example.org", "mx.example.org", true},
	    {"*.example.org", "mx.example.org", true},
	    {"*.example.org", "a.mx.example.org", false},
	    {"*.example.org", "example.org", false},
	    {"*.example.org", ".example.org", false},
	    {"*.example.org", "mxexample.org", false},
	    {"", "mx.example.org", false},
	    {"mx.example.org", "", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		if (sts_match(str_c(cases[i].patterns), str_c(cases[i].host)) != cases[i].ok)
			fail_msg("case %zu", i);
}

static void
test_record(void **state)
{
	static const struct {
		const char *txt, *id; /* NULL: none */
	} cases[] = {
	    {"v=STSv1; id=20160831085700Z;", "20160831085700Z"},
	    {"v=STSv1;id=a", "a"},
	    {"v=STSv1; x=y; id=a; id=b;", "a"},
	    {"v=STSv1 ; id=12345678901234567890123456789012", "12345678901234567890123456789012"},
	    {"v=STSv1; id=123456789012345678901234567890123", NULL},
	    {"v=STSv1; id=;", NULL},
	    {"v=STSv1; id=a-b;", NULL},
	    {"v=STSv1;", NULL},
	    {"v=STSv2; id=a;", NULL},
	    {"id=a; v=STSv1", NULL},
	    {"", NULL},
	};
	struct str id;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		if (sts_record_id(str_c(cases[i].txt), &id) != (cases[i].id != NULL))
			fail_msg("case %zu", i);
		if (cases[i].id)
			assert_true(str_eq(id, str_c(cases[i].id)));
	}
}

/* --- The cache ---------------------------------------------------------------------------------- */

/* In the place of a web server. */
static struct {
	const char *text; /* NULL: cannot be had */
	unsigned fetched;
	int64_t takes_ms;
	bool hangs;
} web;

static bool
fake_fetch(struct str domain, struct buf *text, struct buf *why, const char **failure)
{
	(void)domain;
	web.fetched++;
	if (web.takes_ms > 0)
		fiber_sleep(web.takes_ms);
	while (web.hangs)
		fiber_sleep(1);
	if (!web.text) {
		buf_puts(why, "status 404");
		*failure = "sts-webpki-invalid";
		return false;
	}
	buf_puts(text, web.text);
	return true;
}

/* Asks, and says what mode comes back; -1 when there is a failure as well. */
static int
ask(struct policies *c, const char *domain, const char *id)
{
	struct arena *a = arena_new(0);
	struct msg_sts_answer answer;
	int mode;

	policies_ask(c, str_c(domain), str_c(id), a, &answer);
	mode = (int)answer.mode;
	if (mode != STS_NONE)
		assert_true(answer.mx.len > 0);
	else if (answer.why.len > 0)
		mode = -1;
	/* What went wrong has a name for reports. */
	if (answer.why.len == 0)
		assert_int_equal(answer.failure.len, 0);
	else
		assert_true(str_eq(answer.failure,
		    web.text ? STR("sts-policy-invalid") : STR("sts-webpki-invalid")));
	arena_free(&a);
	return mode;
}

static void
cache_main(void *arg)
{
	struct policies *c = policies_new(3, fake_fetch, NULL);

	(void)arg;
	web.text = HEAD "mx: mx.example.org\n";
	/* Without a record nothing is fetched, and nothing kept. */
	assert_int_equal(ask(c, "example.org", ""), STS_NONE);
	assert_int_equal(web.fetched, 0);
	assert_int_equal(policies_count(c), 0);
	assert_int_equal(ask(c, "example.org", "1"), STS_ENFORCE);
	assert_int_equal(ask(c, "example.org", "1"), STS_ENFORCE);
	assert_int_equal(web.fetched, 1);
	/* The record is gone, or the web server: the policy stays. */
	web.text = NULL;
	assert_int_equal(ask(c, "example.org", ""), STS_ENFORCE);
	assert_int_equal(web.fetched, 1);
	assert_int_equal(ask(c, "example.org", "2"), STS_ENFORCE);
	assert_int_equal(web.fetched, 2);
	/* That failed a moment ago. */
	assert_int_equal(ask(c, "example.org", "2"), STS_ENFORCE);
	assert_int_equal(web.fetched, 2);
	/* Another domain, whose policy cannot be had: as if it had none, and not asked for again at once. */
	assert_int_equal(ask(c, "other.example", "1"), -1);
	assert_int_equal(ask(c, "other.example", "1"), -1);
	assert_int_equal(web.fetched, 3);
	web.text = "version: STSv1\nmode: testing\nmax_age: 86400\nmx: a\n";
	assert_int_equal(ask(c, "testing.example", "1"), STS_TESTING);
	/* A new id is news. */
	web.text = HEAD "mx: a\n";
	assert_int_equal(ask(c, "testing.example", "2"), STS_ENFORCE);
	web.text = "version: STSv1\nmode: none\nmax_age: 86400\n";
	assert_int_equal(ask(c, "testing.example", "3"), STS_NONE);
	assert_int_equal(web.fetched, 6);
	/* One that holds for no time. */
	web.text = "version: STSv1\nmode: enforce\nmax_age: 0\nmx: a\n";
	assert_int_equal(ask(c, "short.example", "1"), STS_NONE);
	/* Those without a policy make room first, however many they are. */
	assert_int_equal(policies_count(c), 3);
	web.text = NULL;
	for (int i = 0; i < 10; i++) {
		const char domain[] = {(char)('a' + i), '\0'};

		assert_int_equal(ask(c, domain, "1"), -1);
	}
	assert_int_equal(policies_count(c), 3);
	assert_int_equal(ask(c, "example.org", ""), STS_ENFORCE);
	/* Then the one that was not asked for longest. */
	web.text = HEAD "mx: a\n";
	assert_int_equal(ask(c, "b.example", "1"), STS_ENFORCE);
	assert_int_equal(ask(c, "c.example", "1"), STS_ENFORCE);
	assert_int_equal(ask(c, "d.example", "1"), STS_ENFORCE);
	assert_int_equal(policies_count(c), 3);
	web.text = NULL;
	assert_int_equal(ask(c, "example.org", ""), STS_NONE);
	policies_free(&c);
}

static struct policies *shared;
static unsigned answered;

static void
one_of_many(void *arg)
{
	(void)arg;
	assert_int_equal(ask(shared, "example.org", "1"), STS_ENFORCE);
	answered++;
}

/* Who asks meanwhile waits for the same answer. */
static void
many_main(void *arg)
{
	(void)arg;
	web.takes_ms = 20;
	web.text = HEAD "mx: mx.example.org\n";
	web.fetched = 0;
	shared = policies_new(3, fake_fetch, NULL);
	for (int i = 0; i < 20; i++)
		fiber_spawn("asks", one_of_many, NULL);
	while (fiber_count() > 1)
		fiber_sleep(5);
	assert_int_equal(answered, 20);
	assert_int_equal(web.fetched, 1);
	policies_free(&shared);
	web.takes_ms = 0;
}

static struct msg_sts_answer
ask_hanging(struct policies *c, const char *id, struct arena *a)
{
	struct msg_sts_answer answer;

	policies_ask(c, STR("slow.example"), str_c(id), a, &answer);
	return answer;
}

/* A web server that hangs holds nobody up for long, and what it says at last is taken. */
static void
hanging_main(void *arg)
{
	struct arena *a = arena_new(0);
	struct policies *c = policies_new(3, fake_fetch, NULL);
	struct msg_sts_answer answer;

	(void)arg;
	policies_patience(c, 10, 20);
	web.text = HEAD "mx: mx.example.org\n";
	web.fetched = 0;
	web.hangs = true;
	for (int i = 0; i < 3; i++) {
		answer = ask_hanging(c, "1", a);
		assert_int_equal(answer.mode, STS_NONE);
		assert_true(str_eq(answer.failure, STR("sts-policy-fetch-error")));
		assert_true(str_eq(answer.why, STR("the web server takes too long")));
	}
	assert_int_equal(web.fetched, 1);
	web.hangs = false;
	while (ask_hanging(c, "1", a).mode != STS_ENFORCE)
		fiber_sleep(1);
	assert_int_equal(web.fetched, 1);
	/* Another id, and it hangs again: the policy that is known is the answer. */
	web.hangs = true;
	web.text = "version: STSv1\nmode: testing\nmax_age: 86400\nmx: a\n";
	answer = ask_hanging(c, "2", a);
	assert_int_equal(answer.mode, STS_ENFORCE);
	assert_int_equal(answer.max_age, 86400);
	assert_int_equal(answer.failure.len, 0);
	web.hangs = false;
	while (ask_hanging(c, "2", a).mode != STS_TESTING)
		fiber_sleep(1);
	assert_int_equal(web.fetched, 2);
	policies_free(&c);
	arena_free(&a);
}

static void
test_hanging(void **state)
{
	(void)state;
	fiber_main(hanging_main, NULL);
}

static void
test_cache(void **state)
{
	(void)state;
	fiber_main(cache_main, NULL);
}

static void
test_many(void **state)
{
	(void)state;
	fiber_main(many_main, NULL);
}

/* --- On disk -------------------------------------------------------------------------------------- */

static void
write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void
store_main(void *arg)
{
	char dir[] = "/tmp/test_mtasts.XXXXXX", path[64];
	struct policies *c;

	(void)arg;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/mtasts.policies", dir);
	/* Of an earlier day: one that holds, over, twice, none at all; and lines that are no lines. */
	write_file(path,
	    "holds.example 1 enforce 9999999999 mx.example.org *.example.org\n"
	    "over.example 1 enforce 1000000000 mx.example.org\n"
	    "twice.example 1 enforce 9999999999 a\ntwice.example 2 testing 9999999999 b\n"
	    "none.example 1 none 9999999999 \n"
	    "rubbish\n\nx 1 enforce\nx 1 enforced 9999999999 a\nx 1 enforce -1 a\nx 1 enforce "
	    "9999999999\nhalf.example 1 enf");
	web.text = NULL;
	c = policies_new(10, fake_fetch, store_keep);
	store_open(dir, c);
	assert_int_equal(ask(c, "holds.example", ""), STS_ENFORCE);
	assert_int_equal(ask(c, "over.example", ""), STS_NONE);
	assert_int_equal(ask(c, "twice.example", ""), STS_TESTING);
	assert_int_equal(ask(c, "none.example", ""), STS_NONE);
	assert_int_equal(ask(c, "x", ""), STS_NONE);
	/* One that is fetched is there after the next start, and one whose time was made short is not. */
	web.text = HEAD "mx: mx.example.org\n";
	assert_int_equal(ask(c, "new.example", "1"), STS_ENFORCE);
	web.text = "version: STSv1\nmode: none\nmax_age: 0\n";
	assert_int_equal(ask(c, "holds.example", "2"), STS_NONE);
	policies_free(&c);
	c = policies_new(10, fake_fetch, NULL);
	store_open(dir, c);
	assert_int_equal(ask(c, "new.example", ""), STS_ENFORCE);
	assert_int_equal(ask(c, "twice.example", ""), STS_TESTING);
	assert_int_equal(ask(c, "holds.example", ""), STS_NONE);
	policies_free(&c);
	/* The number is bounded there as well. */
	c = policies_new(2, fake_fetch, NULL);
	store_open(dir, c);
	assert_int_equal(policies_count(c), 2);
	policies_free(&c);
	/* A file of somebody else, by whichever way it got the name, is neither read nor written. */
	for (int i = 0; i < 2; i++) {
		char other[sizeof(path) + 8];

		snprintf(other, sizeof(other), "%s.other", path);
		write_file(other, "holds.example 1 enforce 9999999999 mx.example.org\n");
		assert_int_equal(remove(path), 0);
		assert_int_equal(i == 0 ? symlink(other, path) : link(other, path), 0);
		web.text = NULL;
		c = policies_new(2, fake_fetch, store_keep);
		store_open(dir, c);
		assert_int_equal(policies_count(c), 0);
		assert_int_equal(ask(c, "holds.example", ""), STS_NONE);
		policies_free(&c);
		assert_int_equal(remove(other), 0);
	}
	assert_int_equal(remove(path), 0);
	assert_int_equal(remove(dir), 0);
}

static void
test_store(void **state)
{
	(void)state;
	fiber_main(store_main, NULL);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_policy),
	    cmocka_unit_test(test_policy_bounds),
	    cmocka_unit_test(test_match),
	    cmocka_unit_test(test_record),
	    cmocka_unit_test(test_cache),
	    cmocka_unit_test(test_many),
	    cmocka_unit_test(test_hanging),
	    cmocka_unit_test(test_store),
	};

	setenv("CMOCKA_TEST_ABORT", "1", 1);
	fiber_watchdog(0, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
