/* lib/base/log: the lines, what they are made of, and where they go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

#define ROOM 65536 /* more than a datagram of the logger */

static int pair_of_sockets[2];

/*
 * The logger writes to [1], the test reads from [0]. What an earlier test left without a reader is taken
 * off first.
 */
static int
make_pair(void **state)
{
	char left[ROOM];

	(void)state;
	log_name("postkeep", "smtpd");
	log_verbose(0);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair_of_sockets) != 0)
		return -1;
	log_to_socket(pair_of_sockets[1], true);
	log_flush();
	while (recv(pair_of_sockets[0], left, sizeof(left), MSG_DONTWAIT) > 0)
		continue;
	return errno == EAGAIN ? 0 : -1;
}

static int
drop_pair(void **state)
{
	(void)state;
	log_to_stderr();
	io_close(&pair_of_sockets[0]);
	io_close(&pair_of_sockets[1]);
	return 0;
}

/* The next datagram, "" if there is none. */
static const char *
receive(char room[ROOM])
{
	ssize_t n = recv(pair_of_sockets[0], room, ROOM - 1, MSG_DONTWAIT);

	if (n < 0)
		assert_int_equal(errno, EAGAIN);
	room[n < 0 ? 0 : n] = '\0';
	return room;
}

/* The same, after the prefix "<level>postkeep/smtpd[<pid>]: ", which is checked, without newline. */
static const char *
receive_text(char room[ROOM], enum log_level level)
{
	char prefix[64];
	int n =
	    snprintf(prefix, sizeof(prefix), "%dpostkeep/smtpd[%ld]: ", (int)level, (long)getpid());
	size_t len = strlen(receive(room));

	assert_true(len > (size_t)n);
	assert_memory_equal(room, prefix, (size_t)n);
	assert_int_equal(room[len - 1], '\n');
	room[len - 1] = '\0';
	return room + n;
}

static void
levels(void **state)
{
	char room[ROOM];

	(void)state;
	log_to_socket(pair_of_sockets[1], false);
	log_info("connect from %s", "client.example[192.0.2.1]");
	assert_string_equal(
	    receive_text(room, LOG_LEVEL_INFO), "connect from client.example[192.0.2.1]");
	log_warning("slow");
	assert_string_equal(receive_text(room, LOG_LEVEL_WARNING), "warning: slow");
	log_error("bad");
	assert_string_equal(receive_text(room, LOG_LEVEL_ERROR), "error: bad");
	log_debug("invisible");
	assert_string_equal(receive(room), "");
	log_verbose(1);
	assert_int_equal(log_verbosity(), 1);
	log_debug("visible");
	assert_string_equal(receive_text(room, LOG_LEVEL_DEBUG), "visible");
	log_info("%s", "");
	assert_string_equal(receive_text(room, LOG_LEVEL_INFO), "");
}

static void
names(void **state)
{
	char room[ROOM], want[64];

	(void)state;
	log_to_socket(pair_of_sockets[1], false);
	log_name("postfix", "qmgr");
	log_as("cleanup", LOG_LEVEL_WARNING, "x=%d", 1);
	snprintf(want, sizeof(want), "2postfix/cleanup[%ld]: warning: x=1\n", (long)getpid());
	assert_string_equal(receive(room), want);
	log_as("cleanup", LOG_LEVEL_DEBUG, "invisible");
	log_info("mine");
	snprintf(want, sizeof(want), "1postfix/qmgr[%ld]: mine\n", (long)getpid());
	assert_string_equal(receive(room), want);
}

static void
errno_is_kept(void **state)
{
	char room[ROOM];

	(void)state;
	log_to_socket(pair_of_sockets[1], false);
	errno = ENOENT;
	log_info("open: %m");
	assert_int_equal(errno, ENOENT);
	assert_string_equal(receive_text(room, LOG_LEVEL_INFO), "open: No such file or directory");
	io_close(&pair_of_sockets[0]);
	errno = ENOTDIR;
	log_info("to nobody");
	assert_int_equal(errno, ENOTDIR);
}

static void
printable(void **state)
{
	static const struct {
		struct str in, out;
	} rows[] = {
	    {STR("plain ~"), STR("plain ~")},
	    {STR("a\nb\rc\td\0e\x7f\x1b[0m"), STR("a?b?c?d?e??[0m")},
	    {STR("gr\xc3\xbc\xc3\x9f"), STR("gr\xc3\xbc\xc3\x9f")},
	    {STR("\xe2\x82\xac \xf0\x9f\x93\xa7"), STR("\xe2\x82\xac \xf0\x9f\x93\xa7")},
	    /* The first and the last of each length. */
	    {STR("\xc2\xa0\xdf\xbf"), STR("\xc2\xa0\xdf\xbf")},
	    {STR("\xe0\xa0\x80\xef\xbf\xbf"), STR("\xe0\xa0\x80\xef\xbf\xbf")},
	    {STR("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"), STR("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf")},
	    /* Controls above 127, overlong forms, surrogates, what is above U+10FFFF. */
	    {STR("\xc2\x80\xc2\x9b\xc2\x9f"), STR("??????")},
	    {STR("\xc0\x80\xc1\xbf"), STR("????")},
	    {STR("\xe0\x9f\xbf"), STR("???")},
	    {STR("\xf0\x8f\xbf\xbf"), STR("????")},
	    {STR("\xed\xa0\x80\xed\x9f\xbf"), STR("???\xed\x9f\xbf")},
	    {STR("\xf4\x90\x80\x80\xf5\x80"), STR("??????")},
	    /* Latin 1, lone bytes, and what is cut off. */
	    {STR("gr\xfc\xdf e"), STR("gr?? e")},
	    {STR("\x80\xbf"), STR("??")},
	    {STR("\xe2\x82"), STR("??")},
	    {STR("\xe2\x82+\xf0\x9f\x93"), STR("??+???")},
	    {STR("\xc3\xc3\xbc"), STR("?\xc3\xbc")},
	    {STR(""), STR("")},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *text = str_dup(rows[i].in);

		assert_int_equal(rows[i].in.len, rows[i].out.len);
		log_printable(text, rows[i].in.len);
		assert_memory_equal(text, rows[i].out.data, rows[i].out.len);
		free(text);
	}
}

static void
lines_are_cleaned(void **state)
{
	char room[ROOM];

	(void)state;
	log_to_socket(pair_of_sockets[1], false);
	log_info("helo=<%s>", "x\n1postkeep/smtpd[1]: forged\xff\xc3\xbc");
	assert_string_equal(
	    receive_text(room, LOG_LEVEL_INFO), "helo=<x?1postkeep/smtpd[1]: forged?\xc3\xbc>");
	assert_string_equal(receive(room), "");
}

static void
lines_are_cut(void **state)
{
	static const char *const units[] = {"x", "\xc3\xbc", "\xe2\x82\xac", "\xf0\x9f\x93\xa7"};
	char room[ROOM], text[LOG_LINE_MAX * 2 + 8], prefix[64];
	size_t fits = LOG_LINE_MAX -
	    (size_t)snprintf(prefix, sizeof(prefix), "postkeep/smtpd[%ld]: ", (long)getpid());

	(void)state;
	log_to_socket(pair_of_sockets[1], false);
	for (size_t u = 0; u < 4; u++) {
		size_t unit = strlen(units[u]);

		for (size_t n = 0; n < sizeof(text) - unit; n += unit)
			memcpy(text + n, units[u], unit);
		/* Around the limit, from where all fits to where nothing more does. */
		for (size_t len = fits - 9; len < fits + 9; len++) {
			size_t whole = len / unit * unit;

			log_info("%.*s", (int)whole, text);
			if (whole > fits)
				whole = fits / unit * unit;
			assert_int_equal(strlen(receive_text(room, LOG_LEVEL_INFO)), whole);
			assert_null(strchr(room, '?'));
		}
	}
}

static void
deferred(void **state)
{
	char room[ROOM], want[256];
	long pid = (long)getpid();

	(void)state;
	log_to_socket(pair_of_sockets[1], true);
	log_info("one");
	log_warning("two");
	assert_string_equal(receive(room), "");
	log_flush();
	snprintf(want, sizeof(want),
	    "1postkeep/smtpd[%ld]: one\n2postkeep/smtpd[%ld]: warning: two\n", pid, pid);
	assert_string_equal(receive(room), want);
	log_flush();
	assert_string_equal(receive(room), "");
	/* An error does not wait, and neither does what stands before it. */
	log_info("one");
	log_error("two");
	snprintf(want, sizeof(want),
	    "1postkeep/smtpd[%ld]: one\n3postkeep/smtpd[%ld]: error: two\n", pid, pid);
	assert_string_equal(receive(room), want);
	/* Another target: what was gathered goes to the old one. */
	log_info("last");
	log_to_stderr();
	assert_string_equal(receive_text(room, LOG_LEVEL_INFO), "last");
}

static size_t
count_lines(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void
deferred_lines_do_not_wait_for_ever(void **state)
{
	char room[ROOM];
	size_t sent = 0;

	(void)state;
	log_to_socket(pair_of_sockets[1], true);
	while (receive(room)[0] == '\0') {
		log_info(
		    "line %04zu ......................................................", sent++);
		assert_in_range(sent, 1, 200);
	}
	/* All that came together before, in one datagram of at most 8 KiB. */
	assert_int_equal(count_lines(room), sent - 1);
	assert_in_range(strlen(room), 8192 - 100, 8192);
	log_flush();
	assert_int_equal(count_lines(receive(room)), 1);
}

/* A child does not write what its parent has gathered. */
static void
after_a_fork(void **state)
{
	char room[ROOM];
	int status;
	pid_t child;

	(void)state;
	log_to_socket(pair_of_sockets[1], true);
	log_info("the parent's");
	child = fork();
	if (child == 0) {
		log_flush();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_string_equal(receive(room), "");
	log_flush();
	assert_string_equal(receive_text(room, LOG_LEVEL_INFO), "the parent's");
}

/* Counts what has arrived: lines of the test's own, and lines said to be dropped. */
static void
drain(size_t *arrived, size_t *dropped, size_t *reports)
{
	char room[ROOM], *rest, *line;

	while (*receive(room)) {
		for (line = strtok_r(room, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
			const char *text = strstr(line, "]: ") + 3;

			if (strncmp(text, "warning: ", 9) == 0) {
				assert_non_null(strstr(text, " log lines were dropped here"));
				*dropped += strtoul(text + 9, NULL, 10);
				++*reports;
				continue;
			}
			/* In order, with the gap where the report says. */
			assert_int_equal(strtoul(text, NULL, 10), *arrived + *dropped);
			++*arrived;
		}
	}
}

static void
full_socket(void **state)
{
	(void)state;
	for (int defer = 0; defer < 2; defer++) {
		size_t arrived = 0, dropped = 0, reports = 0, sent = 0;

		log_to_socket(pair_of_sockets[1], defer);
		for (int round = 0; round < 3; round++) {
			size_t before = dropped;

			/* More than any socket buffer of a usual size takes. */
			for (int i = 0; i < 20000; i++)
				log_info(
				    "%zu of many lines that nobody reads before the next", sent++);
			drain(&arrived, &dropped, &reports);
			log_info("%zu comes after", sent++);
			log_flush();
			drain(&arrived, &dropped, &reports);
			assert_int_equal(arrived + dropped, sent);
			assert_true(dropped > before);
			assert_int_equal(reports, round + 1);
		}
		log_to_stderr();
	}
}

/* A reader that has gone away is no reason to fail or to wait; the next one gets what fits in memory. */
static void
a_reader_goes_and_another_comes(void **state)
{
	size_t arrived = 0, dropped = 0, reports = 0, sent = 0;

	(void)state;
	io_close(&pair_of_sockets[0]);
	for (int defer = 0; defer < 2; defer++) {
		log_to_socket(pair_of_sockets[1], defer);
		for (int i = 0; i < 1000; i++)
			log_info("%zu lines", sent++);
		log_flush();
	}
	io_close(&pair_of_sockets[1]);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair_of_sockets), 0);
	log_to_socket(pair_of_sockets[1], true);
	log_info("%zu lines", sent++);
	log_flush();
	drain(&arrived, &dropped, &reports);
	assert_in_range(arrived, 100, 1000);
	assert_int_equal(arrived + dropped, sent);
	assert_int_equal(reports, 1);
}

enum ending { ENDS_FATAL, ENDS_PANIC };

/* What a child says last, and how it ends. */
static int
last_words(enum ending how, bool defer)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		log_to_socket(pair_of_sockets[1], defer);
		log_info("before");
		if (how == ENDS_FATAL)
			log_fatal("no %s", "queue");
		signal(SIGABRT, SIG_DFL);
		log_panic("impossible");
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void
endings(void **state)
{
	char room[ROOM];

	(void)state;
	for (int defer = 0; defer < 2; defer++) {
		int status = last_words(ENDS_FATAL, defer);

		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
		while (!strstr(receive(room), "4postkeep/smtpd["))
			assert_true(room[0]);
		assert_non_null(strstr(room, "]: fatal: no queue\n"));
		status = last_words(ENDS_PANIC, defer);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
		while (!strstr(receive(room), "5postkeep/smtpd["))
			assert_true(room[0]);
		assert_non_null(strstr(room, "]: panic: impossible\n"));
	}
}

static void
standard_error(void **state)
{
	char text[256];
	int saved = dup(STDERR_FILENO), fds[2];
	ssize_t n;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	log_name("postkeep", "postconf");
	log_to_stderr();
	log_info("text\twith tab");
	log_as("other", LOG_LEVEL_WARNING, "careful");
	dup2(saved, STDERR_FILENO);
	n = read(fds[0], text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_string_equal(text, "postconf: text?with tab\nother: warning: careful\n");
	close(saved);
	close(fds[0]);
	close(fds[1]);
}

#define ON_A_PAIR(test) cmocka_unit_test_setup_teardown(test, make_pair, drop_pair)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    ON_A_PAIR(levels),
	    ON_A_PAIR(names),
	    ON_A_PAIR(errno_is_kept),
	    cmocka_unit_test(printable),
	    ON_A_PAIR(lines_are_cleaned),
	    ON_A_PAIR(lines_are_cut),
	    ON_A_PAIR(deferred),
	    ON_A_PAIR(deferred_lines_do_not_wait_for_ever),
	    ON_A_PAIR(after_a_fork),
	    ON_A_PAIR(full_socket),
	    ON_A_PAIR(a_reader_goes_and_another_comes),
	    ON_A_PAIR(endings),
	    cmocka_unit_test(standard_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
