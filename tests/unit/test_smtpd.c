/*
 * test_smtpd - sessions of the SMTP server over a script: replies, packets, limits, what reaches the queue
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/arena.h"
#include "smtpd/command.h"
#include "smtpd/content.h"
#include "smtpd/session.h"
#include "smtpd/transaction.h"
#include "tests/unit/smtpd_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define OURS "127.0.0.1"
#define STRANGER "192.0.2.1"

/* ---- Dialogues ---- */

#define PACKETS 8

struct dialogue {
	const char *name;
	const char *main_cf;
	const char *client;
	const char *packets[PACKETS]; /* NULL ends them */
	const char *replies;          /* the code of each line of the replies, "220 250 …" */
	const char *io;               /* the order of reads and writes; NULL: of no matter */
	const char *envelopes;        /* "sender>rcpt,rcpt\n" of what was committed */
	const char *content;          /* stands in what was committed; NULL: of no matter */
};

#define HELLO "EHLO me\r\n"
#define ENVELOPE "MAIL FROM:<a@b.example>\r\nRCPT TO:<jones@example.com>\r\n"
#define EHLO_CODES "250 250 250 250 250 250 250 250 250 250 "
#define SENT "a@b.example>jones@example.com\n"

static const struct dialogue dialogues[] = {
    {"a message", "", OURS,
	{HELLO, "MAIL FROM:<a@b.example>\r\n", "RCPT TO:<jones@example.com>\r\n", "DATA\r\n",
	    "Subject: x\r\n\r\nbody\r\n.\r\n", "QUIT\r\n"},
	"220 " EHLO_CODES "250 250 354 250 221", "><><><><><><>", SENT, "\r\n\r\nbody\r\n"},
    {"a batch gets one packet", "", OURS,
	{HELLO, ENVELOPE "DATA\r\n", "Subject: x\r\n\r\nbody\r\n.\r\n" ENVELOPE "RSET\r\nQUIT\r\n"},
	"220 " EHLO_CODES "250 250 354 250 250 250 250 221", "><><><>", SENT, NULL},
    {"a batch that is cut in the middle of a line", "", OURS,
	{HELLO, "MAIL FROM:<a@b.example>\r\nRCPT TO:<jo", "nes@example.com>\r\nQUIT\r\n"},
	"220 " EHLO_CODES "250 250 221", "><><><>", "", NULL},
    {"content in single bytes", "", OURS,
	{HELLO, ENVELOPE "DATA\r\n", "\r", "\n.", "\r", "\nQUIT\r\n"},
	"220 " EHLO_CODES "250 250 354 250 221", NULL, SENT, NULL},
    {"chunks", "", OURS, {HELLO, ENVELOPE "BDAT 4\r\n\r\n.\rBDAT 4 LAST\r\n\nQUI", "QUIT\r\n"},
	"220 " EHLO_CODES "250 250 250 250 221", NULL, SENT, "\r\n.\r\nQUI\r\n"},
    {"a client that vanishes within content", "", OURS,
	{HELLO, ENVELOPE "DATA\r\n", "Subject: x\r\n"}, "220 " EHLO_CODES "250 250 354", NULL, "",
	NULL},
    {"a client that vanishes before the last byte", "", OURS,
	{HELLO, ENVELOPE "DATA\r\n", "Subject: x\r\n.\r"}, "220 " EHLO_CODES "250 250 354", NULL,
	"", NULL},
    {"a client that vanishes between chunks", "", OURS, {HELLO, ENVELOPE "BDAT 5\r\nabc\r\n"},
	"220 " EHLO_CODES "250 250 250", NULL, "", NULL},
    {"a client that vanishes within a command", "", OURS, {HELLO, "QUI"}, "220 " EHLO_CODES, NULL,
	"", NULL},
    {"RSET between chunks", "", OURS, {HELLO, ENVELOPE "BDAT 5\r\nabc\r\nRSET\r\nQUIT\r\n"},
	"220 " EHLO_CODES "250 250 250 250 221", NULL, "", NULL},
    {"a stranger", "", STRANGER,
	{"HELO x\r\n", "MAIL FROM:<a@b.example>\r\n", "RCPT TO:<x@elsewhere.example>\r\n",
	    "RCPT TO:<green@example.com>\r\n", "RCPT TO:<brown@example.com>\r\n", "DATA\r\n",
	    ".\r\n"},
	"220 250 250 554 550 250 354 250", NULL, "a@b.example>brown@example.com\n",
	"Received: from x"},
    {"recipients given twice", "duplicate_filter_limit = 1000\n", OURS,
	{HELLO,
	    "MAIL FROM:<>\r\nRCPT TO:<jones@example.com>\r\nRCPT TO:<jones@EXAMPLE.com>\r\n"
	    "RCPT TO:<jones@example.com> NOTIFY=NEVER\r\nRCPT TO:<JONES@example.com>\r\nDATA\r\n",
	    ".\r\n"},
	"220 " EHLO_CODES "250 250 250 250 250 354 250", NULL,
	">jones@example.com,jones@example.com,JONES@example.com\n", NULL},
    {"recipients given twice, and no filter", "duplicate_filter_limit = 0\n", OURS,
	{HELLO, ENVELOPE "RCPT TO:<jones@example.com>\r\nDATA\r\n", ".\r\n"},
	"220 " EHLO_CODES "250 250 250 354 250", NULL,
	"a@b.example>jones@example.com,jones@example.com\n", NULL},
    {"incomplete addresses", "myorigin = example.com\n", OURS,
	{HELLO, "MAIL FROM:<smith>\r\nRCPT TO:<jones>\r\nDATA\r\n", ".\r\n"},
	"220 " EHLO_CODES "250 250 354 250", NULL, "smith@example.com>jones@example.com\n", NULL},
    {"a dot behind a bare LF", "smtpd_forbid_bare_newline_exclusions =\n", OURS,
	{HELLO, ENVELOPE "DATA\r\n", "\r\nx\n.\r\n" ENVELOPE "DATA\r\n.\r\n", "QUIT\r\n"},
	"220 " EHLO_CODES "250 250 354 250 221", NULL, SENT, "MAIL FROM:<a@b.example>\r\n"},
};

static void
run_dialogue(const struct dialogue *d, struct fixture_server *f, struct script *script)
{
	struct str packets[PACKETS];
	size_t n = 0;

	for (; n < PACKETS && d->packets[n]; n++)
		packets[n] = str_c(d->packets[n]);
	script->packets = packets;
	script->n = n;
	fixture_server_init(f, d->main_cf);
	fixture_session(f, script, d->client);
	script->packets = NULL;
}

/* The code of each line. */
static void
codes(struct str text, struct buf *out)
{
	struct str line;

	while (str_token(&text, "\n", &line)) {
		buf_str(out, str_sub(line, 0, 3));
		buf_putc(out, ' ');
	}
}

static void
check_dialogue(const struct dialogue *d)
{
	struct fixture_server f;
	struct script script = {0};
	struct buf got = {0};

	run_dialogue(d, &f, &script);
	codes(buf_view(&script.out), &got);
	if (!str_eq(str_trim(buf_view(&got)), str_trim(str_c(d->replies))))
		fail_msg("%s: replies %s\n%s", d->name, buf_cstr(&got), buf_cstr(&script.out));
	if (d->io && strncmp(buf_cstr(&script.log), d->io, strlen(d->io)) != 0)
		fail_msg("%s: reads and writes %s", d->name, buf_cstr(&script.log));
	if (strcmp(buf_cstr(&f.sink.envelopes), d->envelopes) != 0)
		fail_msg("%s: envelopes %s", d->name, buf_cstr(&f.sink.envelopes));
	if (d->content && str_find(buf_view(&f.sink.contents), str_c(d->content)) == STR_NPOS)
		fail_msg("%s: content %s", d->name, buf_cstr(&f.sink.contents));
	assert_int_equal(f.sink.begun, f.sink.committed + f.sink.canceled);
	buf_free(&got);
	script_free(&script);
	fixture_server_free(&f);
}

static void
dialogues_as_written(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(dialogues); i++)
		check_dialogue(&dialogues[i]);
}

/* ---- What the sink says ---- */

static void
talk(struct fixture_server *f, struct script *script, const char *const *packets, size_t n)
{
	struct str views[PACKETS];

	for (size_t i = 0; i < n; i++)
		views[i] = str_c(packets[i]);
	script->packets = views;
	script->n = n;
	fixture_session(f, script, OURS);
	script->packets = NULL;
}

static void
assert_said(const struct script *script, const char *text)
{
	if (str_find(buf_view(&script->out), str_c(text)) == STR_NPOS)
		fail_msg("not said: %s; but: %.*s", text, STR_ARG(buf_view(&script->out)));
}

static void
no_queue_id(void **state)
{
	static const char *const packets[] = {
	    HELLO, ENVELOPE "DATA\r\n", "DATA\r\n", "x\r\n.\r\n", "QUIT\r\n"};
	struct fixture_server f;
	struct script script = {0};

	(void)state;
	fixture_server_init(&f, "");
	f.sink.refuse_begin = 1;
	talk(&f, &script, packets, COUNT(packets));
	assert_said(&script, "452 4.3.1 Insufficient system storage\r\n354 ");
	assert_said(&script, "250 2.0.0 Ok: queued as ID1\r\n221 ");
	script_free(&script);
	fixture_server_free(&f);
}

static void
no_queue_id_for_a_chunk(void **state)
{
	static const char *const packets[] = {
	    HELLO, ENVELOPE "BDAT 6\r\nNOOP\r\nBDAT 6\r\nNOOP\r\nBDAT 6 LAST\r\nnoop\r\nQUIT\r\n"};
	struct fixture_server f;
	struct script script = {0};

	(void)state;
	/* The postmaster would be told of it, by a message. */
	fixture_server_init(&f, "notify_classes =\n");
	f.sink.refuse_begin = 1;
	talk(&f, &script, packets, COUNT(packets));
	assert_said(&script,
	    "452 4.3.1 Insufficient system storage\r\n"
	    "452 4.3.1 Discarded 6 bytes after earlier error\r\n"
	    "452 4.3.1 Insufficient system storage\r\n221 ");
	assert_int_equal(f.sink.begun, 0);
	script_free(&script);
	fixture_server_free(&f);
}

static void
content_fails(void **state)
{
	static const char *const packets[] = {HELLO, ENVELOPE "DATA\r\n",
	    "Subject: x\r\n\r\n0123456789\r\n", "0123456789\r\n.\r\n" ENVELOPE "RSET\r\nQUIT\r\n"};
	struct fixture_server f;
	struct script script = {0};

	(void)state;
	fixture_server_init(&f, "");
	f.sink.content_max = 5;
	talk(&f, &script, packets, COUNT(packets));
	assert_said(&script, "354 End data with <CR><LF>.<CR><LF>\r\n451 4.3.0 ");
	assert_said(&script, "250 2.0.0 Ok\r\n221 ");
	assert_int_equal(f.sink.begun, 1);
	assert_int_equal(f.sink.canceled, 1);
	script_free(&script);
	fixture_server_free(&f);
}

static void
commit_fails(void **state)
{
	static const char *const packets[] = {HELLO, ENVELOPE "DATA\r\n", "x\r\n.\r\nQUIT\r\n"};
	struct fixture_server f;
	struct script script = {0};

	(void)state;
	fixture_server_init(&f, "");
	f.sink.refuse_commit = true;
	talk(&f, &script, packets, COUNT(packets));
	assert_said(&script, "451 4.3.0 Error: queue file write error\r\n221 ");
	assert_int_equal(f.sink.committed, 0);
	script_free(&script);
	fixture_server_free(&f);
}

static void
speaks_before_the_greeting(void **state)
{
	static const struct str packet = {"EHLO x\r\n", 8};
	struct fixture_server f;
	struct script script = {.packets = &packet, .n = 1, .early = true};

	(void)state;
	fixture_server_init(&f, "");
	fixture_session(&f, &script, STRANGER);
	assert_string_equal(
	    buf_cstr(&script.out), "554 5.5.0 Error: SMTP protocol synchronization\r\n");
	script_free(&script);
	fixture_server_free(&f);
}

/* ---- Parts ---- */

/* Every row answers in every state with a reply that has a code, and none without one. */
static void
command_rows(void **state)
{
	size_t n;
	const struct command_spec *rows = command_table(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		struct command c = {0};

		assert_non_null(rows[i].run);
		assert_true(rows[i].arg_min <= rows[i].arg_max);
		assert_true(rows[i].states != 0 && (rows[i].states & ~(unsigned)STATE_ANY) == 0);
		command_parse(str_c(rows[i].verb), false, &c);
		assert_ptr_equal(c.spec, &rows[i]);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(rows[i].verb, rows[j].verb);
	}
}

static void
command_lines(void **state)
{
	static const struct {
		struct str line;
		bool utf8;
		enum command_fault fault;
		const char *verb;
	} cases[] = {
	    {{"noop", 4}, false, COMMAND_FINE, "NOOP"},
	    {{"  mail   from:<>  ", 18}, false, COMMAND_FINE, "MAIL"},
	    {{"", 0}, false, COMMAND_EMPTY, NULL},
	    {{"NOOP\0x", 6}, false, COMMAND_BYTES, NULL},
	    {{"NOOP \0", 6}, false, COMMAND_BYTES, "NOOP"},
	    {{"NOOP \xc3\xa9", 7}, true, COMMAND_FINE, "NOOP"},
	    {{"NOOP \xc3\xa9", 7}, false, COMMAND_UTF8, "NOOP"},
	    {{"NOOP \xc3", 6}, true, COMMAND_UTF8, "NOOP"},
	    {{"MAILX", 5}, false, COMMAND_FINE, NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct command c = {0};

		command_parse(cases[i].line, cases[i].utf8, &c);
		if (c.fault != cases[i].fault || (c.spec == NULL) != (cases[i].verb == NULL) ||
		    (c.spec && strcmp(c.spec->verb, cases[i].verb) != 0))
			fail_msg("case %zu: fault %d", i, (int)c.fault);
	}
}

static void
networks_of_clients(void **state)
{
	static const struct {
		const char *address;
		unsigned prefix4, prefix6;
		const char *network;
	} cases[] = {
	    {"192.0.2.1", 32, 84, "192.0.2.1"},
	    {"192.0.2.255", 24, 84, "192.0.2.0/24"},
	    {"192.0.2.255", 25, 84, "192.0.2.128/25"},
	    {"192.0.2.1", 1, 84, "128.0.0.0/1"},
	    {"2001:db8:1:2:3ff4:5:6:7", 32, 128, "2001:db8:1:2:3ff4:5:6:7"},
	    {"2001:db8:1:2:3ff4:5:6:7", 32, 84, "2001:db8:1:2:3ff4::/84"},
	    {"2001:db8:1:2:3ff4:ffff:6:7", 32, 84, "2001:db8:1:2:3ff4:f000::/84"},
	    {"2001:db8:1:2:3ff4:5:6:7", 32, 1, "::/1"},
	    {"unknown", 24, 64, "unknown"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct session_peer peer = {0};
		char out[PEER_NETWORK_SIZE];

		snprintf(peer.address, sizeof(peer.address), "%s", cases[i].address);
		peer_network(&peer, cases[i].prefix4, cases[i].prefix6, out);
		assert_string_equal(out, cases[i].network);
	}
}

/* Of many recipients each is kept once, found by the table that stands in for the comparison. */
static void
many_duplicates(void **state)
{
	struct transaction *t = transaction_new();

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		struct msg_rcpt rcpt = {0};

		rcpt.address = arena_printf(
		    t->arena, "user%u@%s", i % 100, i >= 200 ? "EXAMPLE.com" : "example.com");
		transaction_add(t, &rcpt, 1000);
	}
	assert_int_equal(t->accepted, 300);
	assert_int_equal(t->n_rcpts, 100);
	transaction_end(&t);
	assert_null(t);
}

static void
deadlines_in_loop(void *arg)
{
	struct server server = {0};
	struct session s = {.server = &server};
	int64_t now = fiber_now();

	(void)arg;
	server.settings.timeout_ms = 10000;
	server.settings.session_timeout_ms = 60000;
	server.settings.min_rate = 100;
	s.started = now;
	/* smtpd_timeout alone; with 1,000 bytes ten seconds more; never beyond the session's end. */
	assert_int_equal(session_deadline(&s, now, 0), now + 10000);
	assert_int_equal(session_deadline(&s, now, 1000), now + 20000);
	assert_int_equal(session_deadline(&s, now, 4999), now + 59990);
	assert_int_equal(session_deadline(&s, now, 5001), now + 60000);
	server.settings.min_rate = 0;
	assert_int_equal(session_deadline(&s, now - 50000, 0), fiber_now() + 10000);
	s.started = now - 55000;
	assert_int_equal(session_deadline(&s, now, 0), now + 5000);
}

static void
deadlines(void **state)
{
	(void)state;
	fiber_main(deadlines_in_loop, NULL);
}

/* From four fifths of the limit on the settings for stress hold, until three fifths are left. */
static void
stress(void **state)
{
	struct fixture_server calm, stressed;
	struct server *server = &calm.server;

	(void)state;
	fixture_server_init(&calm, "");
	fixture_server_init(&stressed, "stress = yes\n");
	server_init_stress(server, stressed.conf, 100);
	for (int i = 0; i < 79; i++)
		server_enter(server);
	assert_int_equal(server->settings.timeout_ms, 300000);
	assert_int_equal(server->settings.hard_errors, 20);
	server_enter(server);
	assert_int_equal(server->settings.timeout_ms, 10000);
	assert_int_equal(server->settings.hard_errors, 1);
	assert_int_equal(server->settings.junk_max, 1);
	for (int i = 80; i > 61; i--)
		server_leave(server);
	assert_int_equal(server->settings.timeout_ms, 10000);
	server_leave(server);
	assert_int_equal(server->settings.timeout_ms, 300000);
	fixture_server_free(&calm);
	fixture_server_free(&stressed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(dialogues_as_written),
	    cmocka_unit_test(no_queue_id),
	    cmocka_unit_test(no_queue_id_for_a_chunk),
	    cmocka_unit_test(content_fails),
	    cmocka_unit_test(commit_fails),
	    cmocka_unit_test(speaks_before_the_greeting),
	    cmocka_unit_test(command_rows),
	    cmocka_unit_test(command_lines),
	    cmocka_unit_test(networks_of_clients),
	    cmocka_unit_test(many_duplicates),
	    cmocka_unit_test(deadlines),
	    cmocka_unit_test(stress),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
