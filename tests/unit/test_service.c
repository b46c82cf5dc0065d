/*
 * test_service - a daemon's life under a master: sessions, limits, orders, ends
 *
 * Every case runs as an ordinary user, and as root again with chroot and user switch where the test is
 * run by root.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "tests/unit/service_master.h"

#define SOON_MS 5000 /* the time an end may take that is to come at once */
#define NEVER_MS 300 /* as long as we look for what is not to come */
#define ANSWER 256

static struct probe probe;

/* In both ways a suite is run; a case that does not fit is skipped. */
static void
start(const struct probe_options *wanted, bool as_root)
{
	struct probe_options o = *wanted;

	if (as_root && geteuid() != 0)
		skip();
	o.ordinary = !as_root;
	o.user = as_root;
	/* In a jail as master would have it, but for programs that need their files. */
	o.jail = as_root && (o.program == NULL || strcmp(o.program, "anvil") == 0);
	if (!probe_start(&probe, &o))
		skip(); /* the build folder is closed to NETWORK_USER */
}

static int
clean(void **state)
{
	(void)state;
	probe_clean(&probe);
	return 0;
}

#define BOTH(name)                                                                                 \
	static void name##_as_user(void **state)                                                   \
	{                                                                                          \
		(void)state;                                                                       \
		name(false);                                                                       \
	}                                                                                          \
	static void name##_as_root(void **state)                                                   \
	{                                                                                          \
		(void)state;                                                                       \
		name(true);                                                                        \
	}

static void
expect_exit(int status, int code)
{
	if (!WIFEXITED(status))
		fail_msg("ended by signal %d:\n%s", WTERMSIG(status), buf_cstr(&probe.lines));
	assert_int_equal(WEXITSTATUS(status), code);
}

static void
test_session(bool as_root)
{
	struct service_status status;
	char answer[ANSWER], expected[ANSWER];
	int fd;

	start(&(struct probe_options){.settings = "default_session_limit = 7"}, as_root);
	status = probe_report(&probe);
	assert_true(status.ready && !status.leaving);
	assert_int_equal(status.free, 7);
	assert_int_equal(status.sessions, 0);
	probe_logged(&probe, "test/smtpd[");
	probe_logged(&probe, "before confinement");
	probe_logged(&probe, "sandbox: network");
	probe_logged(&probe, "start");
	fd = probe_connect(&probe);
	probe_ask(fd, "hello", answer, sizeof(answer));
	assert_string_equal(answer, "hello");
	probe_ask(fd, "who", answer, sizeof(answer));
	snprintf(
	    expected, sizeof(expected), "uid=%ld endpoint=0 leaving=0 name=test", (long)geteuid());
	assert_string_equal(answer, expected);
	/* One session is nothing that master has to know. */
	assert_false(probe_reports(&probe, NEVER_MS, &status));
	assert_int_equal(close(fd), 0);
}
BOTH(test_session)

static void
test_limit(bool as_root)
{
	struct service_status status;
	char answer[ANSWER];
	int fds[3];

	start(&(struct probe_options){.settings = "default_session_limit = 2"}, as_root);
	assert_int_equal(probe_report(&probe).free, 2);
	for (size_t i = 0; i < 3; i++)
		fds[i] = probe_connect(&probe);
	status = probe_report(&probe);
	assert_int_equal(status.free, 0);
	assert_int_equal(status.sessions, 2);
	probe_ask(fds[0], "first", answer, sizeof(answer));
	probe_ask(fds[1], "second", answer, sizeof(answer));
	assert_string_equal(answer, "second");
	assert_int_equal(send(fds[2], "third\n", 6, 0), 6);
	assert_false(probe_answers(fds[2], NEVER_MS));
	/* Room again, and the one that waited is served: it never had to come back. */
	assert_int_equal(close(fds[0]), 0);
	probe_ask(fds[2], "more", answer, sizeof(answer));
	assert_string_equal(answer, "third");
	assert_int_equal(close(fds[1]), 0);
	assert_int_equal(close(fds[2]), 0);
	do
		status = probe_report(&probe);
	while (status.free == 0);
	assert_false(status.leaving);
}
BOTH(test_limit)

static void
test_max_use(bool as_root)
{
	struct service_status status;
	char answer[ANSWER];
	int fds[7];

	/* Three times the limit of two: six sessions, and not a seventh. */
	start(
	    &(struct probe_options){.settings = "default_session_limit = 2\nmax_use = 3"}, as_root);
	(void)probe_report(&probe);
	for (size_t i = 0; i < 6; i++) {
		fds[i] = probe_connect(&probe);
		probe_ask(fds[i], "x", answer, sizeof(answer));
		assert_string_equal(answer, "x");
		if (i < 5)
			assert_int_equal(close(fds[i]), 0);
	}
	do
		status = probe_report(&probe);
	while (!status.leaving);
	fds[6] = probe_connect(&probe);
	assert_int_equal(send(fds[6], "x\n", 2, 0), 2);
	assert_false(probe_answers(fds[6], NEVER_MS));
	probe_ask(fds[5], "last", answer, sizeof(answer));
	assert_string_equal(answer, "last");
	assert_int_equal(close(fds[5]), 0);
	expect_exit(probe_end(&probe, SOON_MS), 0);
	assert_int_equal(close(fds[6]), 0);
}
BOTH(test_max_use)

static void
test_drain(bool as_root)
{
	struct service_status status;
	char answer[ANSWER];
	int busy, idle;

	start(&(struct probe_options){.program = NULL}, as_root);
	(void)probe_report(&probe);
	busy = probe_connect(&probe);
	idle = probe_connect(&probe);
	probe_ask(busy, "x", answer, sizeof(answer));
	probe_ask(idle, "idle", answer, sizeof(answer));
	assert_string_equal(answer, "waiting");
	probe_order(&probe, SERVICE_ORDER_DRAIN);
	do
		status = probe_report(&probe);
	while (!status.leaving);
	assert_int_equal(status.free, 0);
	/* The one that waits for work is hung up on, the other goes on. */
	probe_ask(idle, "x", answer, sizeof(answer));
	assert_string_equal(answer, "");
	probe_ask(busy, "who", answer, sizeof(answer));
	assert_non_null(strstr(answer, "leaving=1"));
	probe_ask(busy, "idle", answer, sizeof(answer));
	assert_string_equal(answer, "leaving");
	assert_false(probe_reports(&probe, NEVER_MS, &status));
	probe_ask(busy, "quit", answer, sizeof(answer));
	expect_exit(probe_end(&probe, SOON_MS), 0);
	probe_logged(&probe, "drain");
	assert_int_equal(close(busy), 0);
	assert_int_equal(close(idle), 0);
}
BOTH(test_drain)

static void
test_master_gone(bool as_root)
{
	char answer[ANSWER];
	int fd;

	start(&(struct probe_options){.program = NULL}, as_root);
	(void)probe_report(&probe);
	fd = probe_connect(&probe);
	probe_ask(fd, "idle", answer, sizeof(answer));
	assert_int_equal(io_close(&probe.status), 0);
	expect_exit(probe_end(&probe, SOON_MS), 0);
	probe_logged(&probe, "master is gone");
	assert_int_equal(close(fd), 0);
}
BOTH(test_master_gone)

static void
test_sigterm(bool as_root)
{
	char answer[ANSWER];
	int fd;

	start(&(struct probe_options){.program = NULL}, as_root);
	(void)probe_report(&probe);
	fd = probe_connect(&probe);
	probe_ask(fd, "in the middle of something", answer, sizeof(answer));
	assert_int_equal(kill(probe.pid, SIGTERM), 0);
	expect_exit(probe_end(&probe, SOON_MS), 0);
	probe_logged(&probe, "drain");
	assert_int_equal(close(fd), 0);
}
BOTH(test_sigterm)

static void
test_max_idle(bool as_root)
{
	struct service_status status;
	char answer[ANSWER];
	int fd;

	start(&(struct probe_options){.settings = "max_idle = 1s"}, as_root);
	(void)probe_report(&probe);
	fd = probe_connect(&probe);
	/* Longer than max_idle, but not idle. */
	assert_false(probe_answers(fd, 1500));
	probe_ask(fd, "x", answer, sizeof(answer));
	assert_string_equal(answer, "x");
	assert_int_equal(close(fd), 0);
	do
		status = probe_report(&probe);
	while (!status.leaving);
	expect_exit(probe_end(&probe, SOON_MS), 0);
}
BOTH(test_max_idle)

static void
test_single_stays(bool as_root)
{
	char answer[ANSWER];
	int fd;

	start(&(struct probe_options){.program = "pickup",
		  .settings = "max_idle = 1s\nmax_use = 1\ndefault_session_limit = 1"},
	    as_root);
	(void)probe_report(&probe);
	for (int i = 0; i < 3; i++) {
		fd = probe_connect(&probe);
		probe_ask(fd, "x", answer, sizeof(answer));
		assert_string_equal(answer, "x");
		assert_int_equal(close(fd), 0);
	}
	(void)poll(NULL, 0, 1500);
	fd = probe_connect(&probe);
	probe_ask(fd, "who", answer, sizeof(answer));
	assert_non_null(strstr(answer, "leaving=0"));
	assert_int_equal(close(fd), 0);
}
BOTH(test_single_stays)

static void
test_orders(bool as_root)
{
	char answer[ANSWER];
	int fd;

	start(&(struct probe_options){.program = "pickup"}, as_root);
	(void)probe_report(&probe);
	probe_order(&probe, SERVICE_ORDER_WAKEUP);
	probe_logged(&probe, "wakeup");
	probe_order(&probe, SERVICE_ORDER_FLUSH);
	probe_logged(&probe, "flush");
	probe_order(&probe, '?');
	probe_logged(&probe, "unknown order");
	fd = probe_connect(&probe);
	probe_ask(fd, "hostname", answer, sizeof(answer));
	assert_string_equal(answer, "one.example");
	probe_settings(&probe, "myhostname = two.example");
	probe_order(&probe, SERVICE_ORDER_RELOAD);
	probe_logged(&probe, "reload two.example");
	probe_ask(fd, "hostname", answer, sizeof(answer));
	assert_string_equal(answer, "two.example");
	probe_settings(&probe, "myhostname = three.example\nmax_use = many\nmax_idle = long");
	probe_order(&probe, SERVICE_ORDER_RELOAD);
	probe_logged(&probe, "the old one stays in force");
	probe_logged(&probe, "max_use");
	probe_logged(&probe, "max_idle");
	probe_ask(fd, "hostname", answer, sizeof(answer));
	assert_string_equal(answer, "two.example");
	assert_int_equal(close(fd), 0);
}
BOTH(test_orders)

/* What cannot read files any more makes way for a successor. */
static void
test_reload_elsewhere(bool as_root)
{
	char answer[ANSWER];
	int fd;

	start(&(struct probe_options){.program = "anvil"}, as_root);
	(void)probe_report(&probe);
	fd = probe_connect(&probe);
	probe_ask(fd, "x", answer, sizeof(answer));
	assert_string_equal(answer, "x");
	probe_order(&probe, SERVICE_ORDER_RELOAD);
	expect_exit(probe_end(&probe, SOON_MS), 0);
	assert_int_equal(close(fd), 0);
}
BOTH(test_reload_elsewhere)

static void
test_trigger(bool as_root)
{
	start(&(struct probe_options){.program = "pickup", .trigger = true}, as_root);
	(void)probe_report(&probe);
	assert_int_equal(write(probe.listen, "W", 1), 1);
	probe_logged(&probe, "wakeup");
	probe_order(&probe, SERVICE_ORDER_DRAIN);
	expect_exit(probe_end(&probe, SOON_MS), 0);
}
BOTH(test_trigger)

static void
test_load(bool as_root)
{
	struct service_status status;
	int fd;

	start(&(struct probe_options){.program = NULL}, as_root);
	(void)probe_report(&probe);
	fd = probe_connect(&probe);
	assert_int_equal(send(fd, "spin\n", 5, 0), 5);
	status = probe_report(&probe);
	assert_true(status.load >= 70);
	status = probe_report(&probe);
	assert_true(status.load < 70);
	assert_int_equal(close(fd), 0);
}
BOTH(test_load)

static void
test_configuration_errors(bool as_root)
{
	start(&(struct probe_options){.settings = "max_use = many\nmax_idle = long"}, as_root);
	expect_exit(probe_end(&probe, SOON_MS), 1);
	probe_logged(&probe, "max_use");
	probe_logged(&probe, "max_idle");
	probe_logged(&probe, "fatal: ");
	assert_null(strstr(buf_cstr(&probe.lines), "before confinement"));
}
BOTH(test_configuration_errors)

static void
test_wrong_socket(bool as_root)
{
	struct probe_options o = {
	    .program = "qmgr", .endpoint = {"unix:private/qmgr", "unix:public/showq"}};

	start(&o, as_root);
	expect_exit(probe_end(&probe, SOON_MS), 1);
	probe_logged(&probe, "descriptor 6 is unix:public/showq, and not private/qmgr-net");
}
BOTH(test_wrong_socket)

static void
test_standalone(bool as_root)
{
	char answer[ANSWER];

	start(&(struct probe_options){.standalone = true}, as_root);
	probe_ask(probe.connection, "hello", answer, sizeof(answer));
	assert_string_equal(answer, "hello");
	/* With the rights of whoever started it. */
	probe_ask(probe.connection, "call open", answer, sizeof(answer));
	assert_string_equal(answer, "ok");
	assert_int_equal(io_close(&probe.connection), 0);
	expect_exit(probe_end(&probe, SOON_MS), 0);
}
BOTH(test_standalone)

static void
test_parent(bool as_root)
{
	start(&(struct probe_options){.program = "local"}, as_root);
	assert_true(probe_report(&probe).ready);
	probe_logged(&probe, "parent with 1 sockets, first 5");
	probe_order(&probe, SERVICE_ORDER_DRAIN);
	expect_exit(probe_end(&probe, SOON_MS), 0);
	probe_logged(&probe, "parent ends: order");
}
BOTH(test_parent)

#define CASES(name)                                                                                \
	cmocka_unit_test_teardown(name##_as_user, clean),                                          \
	    cmocka_unit_test_teardown(name##_as_root, clean)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASES(test_session),
	    CASES(test_limit),
	    CASES(test_max_use),
	    CASES(test_drain),
	    CASES(test_master_gone),
	    CASES(test_sigterm),
	    CASES(test_max_idle),
	    CASES(test_single_stays),
	    CASES(test_orders),
	    CASES(test_reload_elsewhere),
	    CASES(test_trigger),
	    CASES(test_load),
	    CASES(test_configuration_errors),
	    CASES(test_wrong_socket),
	    CASES(test_standalone),
	    CASES(test_parent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
