/* test_story - what postqueue makes of a log (--why) and of a long queue (--by). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/groups.h"
#include "admin/span.h"
#include "admin/story.h"

#define ID "4jXKcV6sGYz8"
#define AT "Nov 22 07:00:00 mx postkeep/"

/* ---- Lines of the log ------------------------------------------------------------------------ */

struct line_case {
	const char *line, *told; /* "": the line is about something else */
};

static const struct line_case lines[] = {
    {AT "smtpd[7]: " ID ": client=c.example[192.0.2.1]",
	"  Nov 22 07:00:00  came by SMTP from c.example[192.0.2.1]\n"},
    {"2026-11-22T07:00:00.123+00:00 mx postfix/pickup[7]: " ID ": uid=1000 from=<a@b.example>\n",
	"  2026-11-22T07:00:00.123+00:00  came from the local user with the number 1000 "
	"from=<a@b.example>\n"},
    {AT "cleanup[7]: " ID ": message-id=<x@y>", "  Nov 22 07:00:00  its Message-ID is <x@y>\n"},
    {AT "qmgr[7]: " ID ": from=<a@b.example>, size=12, nrcpt=3 (queue active)",
	"  Nov 22 07:00:00  is in the queue: from <a@b.example>, 12 bytes, recipients: 3\n"},
    {AT "smtp[7]: " ID ": to=<c@d.example>, relay=mx.d.example[192.0.2.2]:25, delay=1, "
	"delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 Ok)",
	"  Nov 22 07:00:00  <c@d.example>: delivered, by mx.d.example[192.0.2.2]:25: 250 2.0.0 "
	"Ok\n"},
    {AT "smtp[7]: " ID ": to=<c@d.example>, orig_to=<c>, relay=none, delay=1, delays=0/0/0/1, "
	"dsn=4.4.1, status=deferred (connect to mx.d.example[192.0.2.2]:25: Connection refused)",
	"  Nov 22 07:00:00  <c@d.example>: not yet: connect to mx.d.example[192.0.2.2]:25: "
	"Connection "
	"refused\n"},
    {AT "local[7]: " ID ": to=<c@d.example>, relay=local, delay=1, delays=0/0/0/1, dsn=5.0.0, "
	"status=bounced (strange (very))",
	"  Nov 22 07:00:00  <c@d.example>: refused for good, by local: strange (very)\n"},
    {AT "local[7]: " ID ": to=<c@d.example>, relay=local, delay=1, delays=0/0/0/1, dsn=5.1.1, "
	"status=bounced (unknown user: \"c\")",
	"  Nov 22 07:00:00  <c@d.example>: refused for good, by local: unknown user: \"c\"\n"
	"      What it means: The recipient's server knows no such address.\n"
	"      What helps: Compare the address with the one the recipient gave: a typing error, an "
	"old "
	"address, or one that was given up.\n"},
    {AT "qmgr[7]: " ID ": from=<a@b.example>, status=expired, returned to sender",
	"  Nov 22 07:00:00  its time in the queue is over: it is returned to its sender\n"},
    {AT "bounce[7]: " ID ": sender non-delivery notification: 4jXKcV6sGYz9",
	"  Nov 22 07:00:00  its sender is told of the failure by message 4jXKcV6sGYz9\n"},
    {AT "qmgr[7]: " ID ": removed", "  Nov 22 07:00:00  all is done: it has left the queue\n"},
    /* What is not understood is shown as it is, made printable. */
    {AT "smtpd[7]: " ID ": x\x01\x1b[31my", "  Nov 22 07:00:00  x??[31my\n"},
    {AT "smtp[7]: " ID ": to=<c@d.example>, status=", "  Nov 22 07:00:00  <c@d.example>: : \n"},
    {AT "smtp[7]: " ID ": to=<", "  Nov 22 07:00:00  <>: : \n"},
    {"x[]: " ID ": y", "  x  y\n"},
    {AT "postsuper[7]: " ID ": removed",
	"  Nov 22 07:00:00  the administrator has deleted it (postsuper -d)\n"},
    {AT "qmgr[7]: 4jXKcV6sGYz9: removed", ""},
    {AT "qmgr[7]: x" ID ": removed", ""},
    {"]: " ID ": removed", ""},
    {ID, ""},
    {"", ""},
};

/* What TELL(arg, file) prints. */
static char *
printed(void (*tell)(void *arg, FILE *out), void *arg)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	tell(arg, out);
	fclose(out);
	return text;
}

static void
tell_story(void *arg, FILE *out)
{
	story_tell(arg, out);
}

static void
test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct story *s = story_new(STR(ID));
		char *text;

		story_line(s, str_c(lines[i].line));
		text = printed(tell_story, s);
		assert_string_equal(text, lines[i].told);
		assert_int_equal(story_lines(s), *lines[i].told ? 1 : 0);
		free(text);
		story_free(&s);
	}
}

/* The same answer fifty times is told once; another one, or another recipient, for itself. */
static void
test_repeated(void **state)
{
	struct story *s = story_new(STR(ID));
	char line[300], *text;

	(void)state;
	for (int i = 0; i < 52; i++) {
		snprintf(line, sizeof(line),
		    "Nov 22 07:%02d:00 mx postkeep/qmgr[7]: " ID
		    ": from=<a@b>, size=1, nrcpt=2 (queue active)",
		    i);
		story_line(s, str_c(line));
		snprintf(line, sizeof(line),
		    "Nov 22 07:%02d:00 mx postkeep/smtp[7]: " ID
		    ": to=<x@y>, relay=none, dsn=4.0.0, status=deferred (%s)",
		    i, i < 50 ? "same" : "other");
		story_line(s, str_c(line));
	}
	story_line(
	    s, STR(AT "smtp[7]: " ID ": to=<z@y>, relay=none, dsn=4.0.0, status=deferred (same)"));
	/* What an agent says itself is the same once more; what it says beyond that is not. */
	story_line(s, STR(AT "smtp[8]: " ID ": same"));
	story_line(s, STR(AT "smtp[8]: " ID ": something else"));
	assert_false(story_over(s));
	story_line(s, STR(AT "qmgr[7]: " ID ": removed"));
	assert_true(story_over(s));
	assert_false(story_deleted(s));
	text = printed(tell_story, s);
	assert_string_equal(text,
	    "  Nov 22 07:00:00  is in the queue: from <a@b>, 1 bytes, recipients: 2\n"
	    "  Nov 22 07:00:00  <x@y>: not yet: same\n"
	    "      the same 49 times more, last at Nov 22 07:49:00\n"
	    "  Nov 22 07:50:00  <x@y>: not yet: other\n"
	    "      the same 1 times more, last at Nov 22 07:51:00\n"
	    "  Nov 22 07:00:00  <z@y>: not yet: same\n"
	    "  Nov 22 07:00:00  something else\n"
	    "  Nov 22 07:00:00  all is done: it has left the queue\n");
	free(text);
	story_free(&s);
}

/* A log without end costs no memory without end. */
static void
test_many_lines(void **state)
{
	struct story *s = story_new(STR(ID));
	char line[200], *text;

	(void)state;
	for (int i = 0; i < 10500; i++) {
		snprintf(line, sizeof(line),
		    AT "smtp[7]: " ID ": to=<u%d@y>, dsn=2.0.0, status=sent (ok)", i);
		story_line(s, str_c(line));
	}
	assert_int_equal(story_lines(s), 10500);
	text = printed(tell_story, s);
	assert_non_null(strstr(text, "  ... and 500 lines more\n"));
	assert_null(strstr(text, "<u10000@y>"));
	free(text);
	story_free(&s);
}

/* A line that is longer than any of ours does not begin again in its middle. */
static void
test_long_line(void **state)
{
	struct story *s = story_new(STR(ID));
	FILE *file = tmpfile();

	(void)state;
	assert_non_null(file);
	for (int i = 0; i < 8191; i++)
		fputc('x', file);
	fputs(AT "qmgr[7]: " ID ": removed\n" AT "qmgr[7]: " ID ": placed on hold\n", file);
	rewind(file);
	story_read(s, file);
	assert_int_equal(story_lines(s), 1);
	assert_false(story_over(s));
	fclose(file);
	story_free(&s);
}

/* ---- Groups ---------------------------------------------------------------------------------- */

static void
tell_groups(void *arg, FILE *out)
{
	groups_print(arg, false, 100000, out);
}

static void
add(struct groups *g, const char *state, int64_t arrival, int64_t next, const char *address,
    const char *reason, bool more)
{
	struct msg_showq_rcpt r = {.address = str_c(address), .reason = str_c(reason)};
	struct msg_showq_entry e = {.id = STR("1"),
	    .state = str_c(state),
	    .arrival = arrival,
	    .size = 2048,
	    .next = next,
	    .more = more,
	    .rcpts = {&r, 1}};

	groups_entry(g, &e);
}

static void
fill(struct groups *g)
{
	add(g, "deferred", 99000, 100090, "a@One.example",
	    "host mx[192.0.2.1] said: 450 4.2.0 Greylisted", true);
	add(g, "deferred", 99000, 100090, "b@one.example",
	    "host mx[192.0.2.1] said: 450 4.2.0 Greylisted", false);
	add(g, "deferred", 90000, 100030, "c@one.example",
	    "odd thing 17 at <c@one.example> [x] f3a9-1112223334", false);
	add(g, "hold", 13600, 0, "d@two.example",
	    "odd thing 18 at <d@two.example> [y] e2b1-9998887776", false);
	add(g, "active", 99990, 0, "nobody", "", false);
}

/* What a long list's slot had no room for. */
static void
test_reason_not_kept(void **state)
{
	struct groups *g = groups_new(GROUP_REASON);
	struct msg_showq_rcpt rcpt = {.address = STR("a@one.example")};
	struct msg_showq_entry e = {
	    .id = STR("x"), .state = STR("deferred"), .tries = 1, .rcpts = {&rcpt, 1}};
	char *text;

	(void)state;
	groups_entry(g, &e);
	text = printed(tell_groups, g);
	assert_non_null(strstr(text, "(tried, the answer was not kept: see the log)\n"));
	assert_null(strstr(text, "not tried"));
	free(text);
	groups_free(&g);
}

static void
test_groups(void **state)
{
	struct groups *g = groups_new(GROUP_DESTINATION);
	char *text;

	(void)state;
	text = printed(tell_groups, g);
	assert_string_equal(text, "Mail queue is empty\n");
	free(text);
	fill(g);
	text = printed(tell_groups, g);
	assert_string_equal(text,
	    "   Msgs   Rcpts    Kbytes  Oldest       Next try     Destination\n"
	    "      2       3         4  2 h 46 min   30 s         one.example\n"
	    "      1       1         2  10 s         now          (no domain)\n"
	    "      1       1         2  1 d 0 h      on hold      two.example\n"
	    "\n-- 8 Kbytes in 4 Requests, 5 recipients.\n");
	free(text);
	groups_free(&g);
	g = groups_new(GROUP_REASON);
	fill(g);
	text = printed(tell_groups, g);
	assert_non_null(strstr(text,
	    "      1       2         2  16 min       1 min        host mx[192.0.2.1] "
	    "said: 450 4.2.0 Greylisted\n                What it means: Greylisting"));
	assert_non_null(
	    strstr(text, "      2       2         4  1 d 0 h      30 s         odd thing 17 at"));
	assert_null(strstr(text, "odd thing 18"));
	assert_non_null(strstr(text, "now          (not tried yet)\n"));
	free(text);
	groups_free(&g);
}

/* As many destinations as strangers like: the table is bounded, the sums are right. */
static void
test_many_groups(void **state)
{
	struct groups *g = groups_new(GROUP_DESTINATION);
	char address[40], *text, *line;
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		snprintf(address, sizeof(address), "a@d%d.example", i % 20000);
		add(g, "deferred", 99000, 100090, address, "x", false);
	}
	text = printed(tell_groups, g);
	for (line = text; (line = strchr(line, '\n')); line++)
		n++;
	assert_int_equal(n, 1 + 10001 + 2);
	assert_non_null(
	    strstr(text, "  50000   50000    100000  16 min       1 min        (all others)\n"));
	assert_non_null(strstr(text, "-- 200000 Kbytes in 100000 Requests, 100000 recipients."));
	free(text);
	groups_free(&g);
}

static void
test_span(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} spans[] = {{-5, "0 s"}, {0, "0 s"}, {59, "59 s"}, {60, "1 min"}, {3599, "59 min"},
	    {3600, "1 h 0 min"}, {86399, "23 h 59 min"}, {86400, "1 d 0 h"},
	    {INT64_MAX, "106751991167300 d 15 h"}};
	char out[SPAN_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++)
		assert_string_equal(span_text(spans[i].seconds, out), spans[i].text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_repeated),
	    cmocka_unit_test(test_many_lines),
	    cmocka_unit_test(test_long_line),
	    cmocka_unit_test(test_groups),
	    cmocka_unit_test(test_reason_not_kept),
	    cmocka_unit_test(test_many_groups),
	    cmocka_unit_test(test_span),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
