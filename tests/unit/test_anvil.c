/* test_anvil - counts and rates per client, what a lost channel leaves behind, bounds, statistics */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "anvil/clients.h"
#include "lib/base/buf.h"

#define UNIT 60000 /* milliseconds */

static struct msg_anvil_count
event(struct reporter *r, enum anvil_event what, const char *client, int64_t now)
{
	struct msg_anvil m = {.event = what, .service = STR("smtp"), .client = str_c(client)};
	struct msg_anvil_count count;

	reporter_event(r, &m, now, UNIT, &count);
	return count;
}

static void
connections(void **state)
{
	struct clients *c = clients_new(100);
	struct reporter *a = reporter_new(c), *b = reporter_new(c);

	(void)state;
	assert_int_equal(event(a, ANVIL_CONNECT, "192.0.2.1", 0).count, 1);
	assert_int_equal(event(b, ANVIL_CONNECT, "192.0.2.1", 0).count, 2);
	assert_int_equal(event(b, ANVIL_CONNECT, "192.0.2.1", 0).count, 3);
	assert_int_equal(event(b, ANVIL_CONNECT, "192.0.2.2", 0).count, 1);
	event(a, ANVIL_DISCONNECT, "192.0.2.1", 0);
	/* Nobody takes off more than was reported on the same channel. */
	event(a, ANVIL_DISCONNECT, "192.0.2.1", 0);
	event(a, ANVIL_DISCONNECT, "192.0.2.2", 0);
	event(a, ANVIL_DISCONNECT, "192.0.2.3", 0);
	assert_int_equal(event(a, ANVIL_CONNECT, "192.0.2.1", 0).count, 3);
	assert_int_equal(event(a, ANVIL_CONNECT, "192.0.2.2", 0).count, 2);
	reporter_free(&b); /* its process was killed */
	assert_null(b);
	assert_int_equal(event(a, ANVIL_CONNECT, "192.0.2.1", 0).count, 2);
	assert_int_equal(event(a, ANVIL_CONNECT, "192.0.2.2", 0).count, 2);
	reporter_free(&a);
	clients_free(&c);
}

static void
rates(void **state)
{
	struct clients *c = clients_new(100);
	struct reporter *r = reporter_new(c);

	(void)state;
	assert_int_equal(event(r, ANVIL_CONNECT, "a", 1000).rate, 1);
	event(r, ANVIL_DISCONNECT, "a", 1000);
	assert_int_equal(event(r, ANVIL_CONNECT, "a", 2000).rate, 2);
	assert_int_equal(event(r, ANVIL_MAIL, "a", 2000).rate, 1);
	assert_int_equal(event(r, ANVIL_RCPT, "a", 2000).rate, 1);
	assert_int_equal(event(r, ANVIL_RCPT, "a", 2000).rate, 2);
	assert_int_equal(event(r, ANVIL_RCPT, "a", 2000).count, 0);
	assert_int_equal(event(r, ANVIL_CONNECT, "b", 2000).rate, 1);
	/* The unit begins with the first event: just before its end, at its end. */
	assert_int_equal(event(r, ANVIL_RCPT, "a", 1000 + UNIT - 1).rate, 4);
	assert_int_equal(event(r, ANVIL_RCPT, "a", 1000 + UNIT).rate, 1);
	assert_int_equal(event(r, ANVIL_CONNECT, "a", 1000 + UNIT).rate, 1);
	assert_int_equal(event(r, ANVIL_CONNECT, "a", 1000 + UNIT).count, 3);
	reporter_free(&r);
	clients_free(&c);
}

static void
bounds(void **state)
{
	struct clients *c = clients_new(3);
	struct reporter *r = reporter_new(c);

	(void)state;
	event(r, ANVIL_CONNECT, "connected", 0);
	event(r, ANVIL_MAIL, "old", 1);
	event(r, ANVIL_MAIL, "new", 2);
	assert_int_equal(clients_count(c), 3);
	assert_int_equal(event(r, ANVIL_MAIL, "another", 3).rate, 1); /* in the place of "old" */
	assert_int_equal(clients_count(c), 3);
	assert_int_equal(event(r, ANVIL_MAIL, "new", 4).rate, 2);
	assert_int_equal(event(r, ANVIL_CONNECT, "connected", 5).count, 2);
	event(r, ANVIL_CONNECT, "another", 6);
	event(r, ANVIL_CONNECT, "new", 7);
	/* All are connected: one more is let in uncounted. */
	assert_int_equal(event(r, ANVIL_CONNECT, "too many", 8).count, 0);
	event(r, ANVIL_DISCONNECT, "too many", 8);
	assert_int_equal(clients_count(c), 3);
	reporter_free(&r);
	clients_free(&c);
}

static void
expiry(void **state)
{
	struct clients *c = clients_new(100);
	struct reporter *r = reporter_new(c);

	(void)state;
	event(r, ANVIL_CONNECT, "connected", 0);
	event(r, ANVIL_MAIL, "gone", 0);
	event(r, ANVIL_MAIL, "recent", 1);
	clients_expire(c, UNIT - 1, UNIT);
	assert_int_equal(clients_count(c), 3);
	clients_expire(c, UNIT, UNIT);
	assert_int_equal(clients_count(c), 2);
	event(r, ANVIL_DISCONNECT, "connected", UNIT);
	clients_expire(c, 2 * UNIT, UNIT);
	assert_int_equal(clients_count(c), 0);
	reporter_free(&r);
	clients_free(&c);
}

static void
statistics(void **state)
{
	struct clients *c = clients_new(100);
	struct reporter *r = reporter_new(c);
	struct buf out = {0};
	static const char *const wanted[] = {"max connection rate 2/60s for (smtp:a) at ",
	    "max connection count 2 for (smtp:a) at ", "max message rate 1/60s for (smtp:b) at ",
	    "max recipient rate 3/60s for (smtp:b) at ", "max cache size 2 at "};

	(void)state;
	event(r, ANVIL_CONNECT, "a", 0);
	event(r, ANVIL_CONNECT, "a", 0);
	event(r, ANVIL_CONNECT, "b", 0);
	event(r, ANVIL_MAIL, "b", 0);
	for (int i = 0; i < 3; i++)
		event(r, ANVIL_RCPT, "b", 0);
	clients_statistics(c, UNIT, &out);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (str_find(buf_view(&out), str_c(wanted[i])) == STR_NPOS)
			fail_msg("%s stands not in: %s", wanted[i], buf_cstr(&out));
	buf_reset(&out);
	clients_statistics(c, UNIT, &out); /* nothing happened since */
	assert_int_equal(out.len, 0);
	buf_free(&out);
	reporter_free(&r);
	clients_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(connections),
	    cmocka_unit_test(rates),
	    cmocka_unit_test(bounds),
	    cmocka_unit_test(expiry),
	    cmocka_unit_test(statistics),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
