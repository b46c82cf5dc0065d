/*
 * test_intake - what becomes of a header, that everything else passes byte for byte, limits, cost
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/intake/intake.h"
#include "tests/unit/conf_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TRACE "Received: trace\r\n"
#define MAIN_CF                                                                                    \
	"compatibility_level = 3.6\nmyhostname = mail.example.org\nmydomain = example.org\n"       \
	"myorigin = example.org\n"

static struct conf *
load(const char *more)
{
	return fixture_load_good(MAIN_CF, more);
}

struct sink {
	struct buf out;
	size_t calls, largest;
	size_t room; /* the call that would pass this many bytes fails */
};

static bool
collect(void *arg, struct str chunk)
{
	struct sink *s = arg;

	assert_true(chunk.len > 0);
	if (s->out.len + chunk.len > s->room)
		return false;
	buf_str(&s->out, chunk);
	s->calls++;
	if (chunk.len > s->largest)
		s->largest = chunk.len;
	return true;
}

static struct intake_context
context(const struct conf *conf, bool local)
{
	return (struct intake_context){.conf = conf,
	    .queue_id = STR("4abc"),
	    .local = local,
	    .sender = {STR("alice"), STR("example.org"), false},
	    .full_name = STR_EMPTY,
	    .received = STR(TRACE),
	    .arrival_us = (int64_t)1795327662 * 1000000};
}

/* Gives IN in pieces of at most STEP bytes. */
static enum intake_status
run(const struct intake_context *c, struct str in, size_t step, struct sink *sink)
{
	struct intake *i = intake_new(c, collect, sink);
	enum intake_status status = INTAKE_OK;

	while (in.len > 0 && status == INTAKE_OK) {
		status = intake_data(i, str_sub(in, 0, step));
		in = str_from(in, step);
	}
	if (status == INTAKE_OK)
		status = intake_end(i);
	if (status == INTAKE_OK)
		assert_true(intake_size(i) == sink->out.len);
	intake_free(&i);
	assert_null(i);
	return status;
}

/* --- What becomes of a header --------------------------------------------------------------- */

#define ADDED_ID "Message-Id: <20261122060742.4abc@mail.example.org>\r\n"
#define ADDED_DATE "Date: Sun, 22 Nov 2026 06:07:42 +0000 (UTC)\r\n"
#define ADDED_FROM "From: alice@example.org\r\n"
#define WHOLE "From: a@b.c\r\nDate: x\r\nMessage-Id: <y>\r\n"

static const struct {
	const char *conf;
	bool local;
	const char *in, *out; /* without the trace header in front */
} cases[] = {
    /* from strangers nothing is added, nothing qualified */
    {"", false, "Subject: x\r\nTo: bob\r\n\r\nbody\r\n", "Subject: x\r\nTo: bob\r\n\r\nbody\r\n"},
    {"always_add_missing_headers = yes\n", false, "Subject: x\r\n\r\n",
	"Subject: x\r\n" ADDED_ID ADDED_DATE ADDED_FROM "\r\n"},
    {"remote_header_rewrite_domain = domain.invalid\n", false,
	"To: bob,\r\n\tcarol@d.e (C)\r\n\r\n",
	"To: bob@domain.invalid,\r\n\tcarol@d.e (C)\r\n\r\n"},
    /* removed from everybody's */
    {"", false, "Return-Path: <x>\r\nSubject: x\r\nContent-Length: 5\r\nBCC: a,\r\n b\r\n\r\n",
	"Subject: x\r\n\r\n"},
    {"message_drop_headers = x-secret\n", false, "X-Secret: 1\r\nBcc: b\r\n\r\n", "Bcc: b\r\n\r\n"},
    {"", true, WHOLE "Bcc: b,\r\n\tc\r\nResent-Bcc: d\r\nX: y\r\n\r\n", WHOLE "X: y\r\n\r\n"},
    /* completed and qualified for our own */
    {"", true, "", ADDED_ID ADDED_DATE ADDED_FROM},
    {"", true, "\r\nhello\r\n", ADDED_ID ADDED_DATE ADDED_FROM "\r\nhello\r\n"},
    {"", true, "hello\r\n", ADDED_ID ADDED_DATE ADDED_FROM "\r\nhello\r\n"},
    {"", true, "To: bob\r\nSubject: x\r\n\r\nb\r\n",
	"To: bob@example.org\r\nSubject: x\r\n" ADDED_ID ADDED_DATE ADDED_FROM "\r\nb\r\n"},
    {"", true, "from: bob\r\nDATE: x\r\nMESSAGE-ID: <y>\r\n\r\n",
	"from: bob@example.org\r\nDATE: x\r\nMESSAGE-ID: <y>\r\n\r\n"},
    {"append_dot_mydomain = yes\n", true, WHOLE "Cc: \"B\" <b@host>,  c (x)\r\n ,d\r\n\r\n",
	WHOLE "Cc: \"B\" <b@host.example.org>,  c@example.org (x)\r\n ,d@example.org\r\n\r\n"},
    {"append_at_myorigin = no\n", true, WHOLE "Cc: b\r\n\r\n", WHOLE "Cc: b\r\n\r\n"},
    {"", true, WHOLE "Subject: bob, carol@host\r\n\r\n", WHOLE "Subject: bob, carol@host\r\n\r\n"},
    {"undisclosed_recipients_header = To: undisclosed-recipients:;\n", true, WHOLE "\r\n",
	WHOLE "To: undisclosed-recipients:;\r\n\r\n"},
    {"undisclosed_recipients_header = To: undisclosed-recipients:;\n", true,
	WHOLE "Cc: b@c.d\r\n\r\n", WHOLE "Cc: b@c.d\r\n\r\n"},
    /* resent: what is missing is missing of the Resent- fields */
    {"", true, "Resent-To: b@c.d\r\nFrom: a@b.c\r\n\r\n",
	"Resent-To: b@c.d\r\nFrom: a@b.c\r\nResent-" ADDED_ID "Resent-" ADDED_DATE
	"Resent-" ADDED_FROM "\r\n"},
    {"", true, "Resent-From: b@c.d\r\nResent-Date: x\r\nResent-Message-Id: <y>\r\n\r\n",
	"Resent-From: b@c.d\r\nResent-Date: x\r\nResent-Message-Id: <y>\r\n\r\n"},
    /* where the header ends */
    {"", false, "A: b\r\nno field\r\n", "A: b\r\n\r\nno field\r\n"},
    {"", false, "A: b\r\n\r\n\r\nc\r\n", "A: b\r\n\r\n\r\nc\r\n"},
    {"", false, "A: b\r\n \r\n\tc\r\n\r\n", "A: b\r\n \r\n\tc\r\n\r\n"},
    {"", false, " A: b\r\n\r\n", "\r\n A: b\r\n\r\n"},
    {"", false, "A: b", "A: b\r\n"},
    {"", false, "A: b\r\n\r\nc", "A: b\r\n\r\nc\r\n"},
    {"", false, "A: b\r\n\r\n", "A: b\r\n\r\n"},
    {"", false, "A: b\r\n", "A: b\r\n"},
    {"", false, "hello", "\r\nhello\r\n"},
    {"", false, "", ""},
    {"", false, ": no name\r\n", "\r\n: no name\r\n"},
    /* mbox's From_ line */
    {"", false, "From alice Sun Nov 22\r\nA: b\r\n\r\n",
	"X-Mailbox-Line: From alice Sun Nov 22\r\nA: b\r\n\r\n"},
    {"", false, ">From alice\r\n>>From bob\r\nA: b\r\n\r\n",
	"X-Mailbox-Line: >From alice\r\nX-Mailbox-Line: >>From bob\r\nA: b\r\n\r\n"},
    {"", false, "A: b\r\nFrom alice\r\n\r\n", "A: b\r\n\r\nFrom alice\r\n\r\n"},
    {"", false, "From : a@b.c\r\n\r\n", "From : a@b.c\r\n\r\n"},
    /* CRs and LFs that stand alone */
    {"", false, "A: b\rc\nd\r\n\r\nx\ny\rz\r\r\n\n", "A: b c d\r\n\r\nx y z \r\n \r\n"},
    {"cleanup_replace_stray_cr_lf = no\n", false, "A: b\rc\nd\r\n\r\nx\ny\rz\r\r\n\n",
	"A: b\rc\nd\r\n\r\nx\ny\rz\r\r\n\n\r\n"},
    {"", false, "A: b\r\n\r\nx\r", "A: b\r\n\r\nx \r\n"},
};

static void
test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct conf *conf = load(cases[i].conf);
		struct intake_context c = context(conf, cases[i].local);
		struct str in = str_c(cases[i].in);

		for (size_t step = 1; step <= in.len + 1; step++) {
			struct sink sink = {.room = SIZE_MAX};

			assert_int_equal(run(&c, in, step, &sink), INTAKE_OK);
			assert_true(str_starts(buf_view(&sink.out), STR(TRACE)));
			if (strcmp(buf_cstr(&sink.out) + strlen(TRACE), cases[i].out) != 0)
				fail_msg("case %zu, step %zu:\n%s", i, step, buf_cstr(&sink.out));
			buf_free(&sink.out);
		}
		conf_free(&conf);
	}
}

static const struct {
	const char *conf;
	struct mail_address sender;
	const char *name, *from;
} froms[] = {
    {"", {{"alice", 5}, {"example.org", 11}, false}, "Alice Smith",
	"From: Alice Smith <alice@example.org>\r\n"},
    {"", {{"alice", 5}, {"", 0}, false}, "Smith, A.",
	"From: \"Smith, A.\" <alice@example.org>\r\n"},
    {"", {{"alice", 5}, {"", 0}, false}, "J\xc3\xbcrgen",
	"From: =?utf-8?B?SsO8cmdlbg==?= <alice@example.org>\r\n"},
    {"", {{"a b", 3}, {"x.y", 3}, false}, "", "From: \"a b\"@x.y\r\n"},
    {"", {{"", 0}, {"", 0}, false}, "Alice",
	"From: Mail Delivery System <MAILER-DAEMON@example.org>\r\n"},
    {"header_from_format = obsolete\n", {{"alice", 5}, {"", 0}, false}, "Alice Smith",
	"From: alice@example.org (Alice Smith)\r\n"},
    {"header_from_format = obsolete\n", {{"alice", 5}, {"", 0}, false}, "A) x",
	"From: \"A) x\" <alice@example.org>\r\n"},
};

static void
test_from(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(froms); i++) {
		struct conf *conf = load(froms[i].conf);
		struct intake_context c = context(conf, true);
		struct sink sink = {.room = SIZE_MAX};

		c.sender = froms[i].sender;
		c.full_name = str_c(froms[i].name);
		assert_int_equal(
		    run(&c, STR("Date: x\r\nMessage-Id: <y>\r\n\r\n"), 100, &sink), INTAKE_OK);
		if (!strstr(buf_cstr(&sink.out), froms[i].from))
			fail_msg("case %zu:\n%s", i, buf_cstr(&sink.out));
		buf_free(&sink.out);
		conf_free(&conf);
	}
}

/* --- What is told of a message -------------------------------------------------------------- */

static void
check_told(const struct conf *conf, struct str in, const char *id)
{
	struct intake_context c = context(conf, true);
	struct sink sink = {.room = SIZE_MAX};
	struct intake *i = intake_new(&c, collect, &sink);

	assert_int_equal(intake_data(i, in), INTAKE_OK);
	assert_int_equal(intake_end(i), INTAKE_OK);
	assert_true(str_eq(intake_message_id(i), str_c(id)));
	intake_free(&i);
	buf_free(&sink.out);
}

static void
test_told(void **state)
{
	struct conf *conf = load("");

	(void)state;
	check_told(conf, STR("Message-Id:\r\n\t<a@b>\r\n\r\nx"), "<a@b>");
	check_told(conf, STR("Message-Id: <a@b>\r\nMessage-Id: <c@d>\r\n\r\n"), "<a@b>");
	check_told(conf, STR("\r\nx\xc3\xa4"), "<20261122060742.4abc@mail.example.org>");
	check_told(conf, STR("A: \xc3\xa4\r\nMessage-Id: x\r\n\r\n\x7f"), "x");
	conf_free(&conf);
}

/* --- Limits --------------------------------------------------------------------------------- */

static void
append_lines(struct buf *b, const char *line, size_t count)
{
	for (size_t i = 0; i < count; i++)
		buf_puts(b, line);
}

static void
test_hops(void **state)
{
	struct conf *conf = load("hopcount_limit = 10\n");
	struct intake_context c = context(conf, false);

	(void)state;
	for (size_t hops = 9; hops <= 12; hops++) {
		struct sink sink = {.room = SIZE_MAX};
		struct buf in = {0};

		append_lines(&in, "Received: x\r\n\ty\r\n", hops);
		buf_puts(&in, "\r\nReceived: in the body\r\n");
		assert_int_equal(run(&c, buf_view(&in), 7, &sink),
		    hops <= 10 ? INTAKE_OK : INTAKE_TOO_MANY_HOPS);
		if (hops <= 10)
			assert_int_equal(sink.out.len, in.len + strlen(TRACE));
		buf_free(&in);
		buf_free(&sink.out);
	}
	conf_free(&conf);
}

/* Dots undone, the trace not counted: exactly the limit passes. */
static void
test_size(void **state)
{
	struct conf *conf = load("message_size_limit = 4096\n");
	struct intake_context c = context(conf, false);

	(void)state;
	for (size_t size = 4095; size <= 4097; size++) {
		struct sink sink = {.room = SIZE_MAX};
		struct buf in = {0};
		struct intake *i;

		buf_puts(&in, "A: b\r\n\r\n");
		while (in.len < size - 2)
			buf_putc(&in, 'x');
		buf_puts(&in, "\r\n");
		assert_int_equal(
		    run(&c, buf_view(&in), 1000, &sink), size <= 4096 ? INTAKE_OK : INTAKE_REFUSED);
		if (size <= 4096)
			assert_true(
			    str_eq(str_from(buf_view(&sink.out), strlen(TRACE)), buf_view(&in)));
		i = intake_new(&c, collect, &sink);
		assert_int_equal(
		    intake_data(i, buf_view(&in)), size <= 4096 ? INTAKE_OK : INTAKE_REFUSED);
		assert_int_equal(str_starts(intake_why(i), STR("552 5.3.4 ")), size > 4096);
		intake_free(&i);
		/* The suite's own notices are not measured. */
		c.internal = true;
		buf_reset(&sink.out);
		assert_int_equal(run(&c, buf_view(&in), 1000, &sink), INTAKE_OK);
		c.internal = false;
		buf_free(&in);
		buf_free(&sink.out);
	}
	conf_free(&conf);
}

/* The bytes of FIELD, the only one, as they come out for a stranger; in pieces of every size the same. */
static void
expect_field(const struct conf *conf, struct str field, struct str expected)
{
	struct intake_context c = context(conf, false);

	for (size_t step = 1; step < 9000; step = step * 3 + 1) {
		struct sink sink = {.room = SIZE_MAX};
		struct buf in = {0}, out = {0};

		buf_printf(&in, "%.*sSubject: s\r\n\r\nbody\r\n", STR_ARG(field));
		buf_printf(&out, TRACE "%.*sSubject: s\r\n\r\nbody\r\n", STR_ARG(expected));
		assert_int_equal(run(&c, buf_view(&in), step, &sink), INTAKE_OK);
		if (!str_eq(buf_view(&sink.out), buf_view(&out)))
			fail_msg("%zu bytes in steps of %zu became\n%s", field.len, step,
			    buf_cstr(&sink.out));
		buf_free(&in);
		buf_free(&out);
		buf_free(&sink.out);
	}
}

/* START, N of "x", END, and what is kept of it. */
static const struct {
	const char *start;
	size_t n;
	const char *end;
	size_t n_kept;
	const char *end_kept;
} field_cuts[] = {
    /* of one line: header_size_limit counts its CRLF too */
    {"A: ", 1994, "\r\n", 1994, "\r\n"},
    {"A: ", 1995, "\r\n", 1995, "\r\n"},
    {"A: ", 1998, "\r\n", 1997, "\r\n"},
    {"A: ", 7000, "\r\n", 1997, "\r\n"},
    {"A: ", 1000, "\r\n b\r\n\tc\r\n", 1000, "\r\n b\r\n\tc\r\n"},
    /* lines that fit whole */
    {"A: ", 1988, "\r\n b\r\n c\r\n", 1988, "\r\n b\r\n"},
    {"A: ", 1987, "\r\n b\r\n c\r\n", 1987, "\r\n b\r\n c\r\n"},
    {"A: b\r\n ", 1991, "\r\n", 1991, "\r\n"},
    {"A: b\r\n ", 3000, "\r\n c\r\n d\r\n", 1993, "\r\n"},
    /* no half of a character */
    {"A: ", 1996, "\xc3\xa4y\r\n", 1996, "\r\n"},
    {"A: ", 1994, "\xe2\x82\xacy\r\n", 1994, "\xe2\x82\xac\r\n"},
    {"A: ", 1994, "\xf0\x9f\x98\x80y\r\n", 1994, "\r\n"},
    {"A: ", 1990, "\x80\x80\x80\x80\x80\x80\x80\x80\x80\r\n", 1990, "\x80\x80\x80\x80\r\n"},
    /* what is removed is removed whole */
    {"Bcc: ", 9000, "\r\n secret\r\n", 0, NULL},
};

static void
test_header_size(void **state)
{
	struct conf *conf = load("header_size_limit = 2000\nmessage_drop_headers = Bcc\n");
	struct buf in = {0}, out = {0};

	(void)state;
	for (size_t i = 0; i < COUNT(field_cuts); i++) {
		buf_reset(&in);
		buf_reset(&out);
		buf_puts(&in, field_cuts[i].start);
		append_lines(&in, "x", field_cuts[i].n);
		buf_puts(&in, field_cuts[i].end);
		if (field_cuts[i].end_kept) {
			buf_puts(&out, field_cuts[i].start);
			append_lines(&out, "x", field_cuts[i].n_kept);
			buf_puts(&out, field_cuts[i].end_kept);
		}
		expect_field(conf, buf_view(&in), buf_view(&out));
	}
	buf_free(&in);
	buf_free(&out);
	conf_free(&conf);
}

/* A line of bare names that is well within 998 bytes is so with what has been added to them. */
static void
test_qualified_line_is_folded(void **state)
{
	struct conf *conf = load("");
	struct intake_context c = context(conf, true);
	struct sink sink = {.room = SIZE_MAX};
	struct buf in = {0};
	struct str rest, line;

	(void)state;
	buf_puts(&in, "To: someone");
	for (int i = 0; i < 120; i++)
		buf_printf(&in, ", u%d", i);
	buf_puts(&in, "\r\n\r\n");
	assert_int_equal(run(&c, buf_view(&in), SIZE_MAX, &sink), INTAKE_OK);
	rest = buf_view(&sink.out);
	while (str_token(&rest, "\r\n", &line)) {
		assert_true(line.len <= 998);
		assert_true(line.data[0] != ' ' || line.data[1] == 'u');
	}
	assert_true(str_find(buf_view(&sink.out), STR(",\r\n u")) != STR_NPOS);
	buf_free(&in);
	buf_free(&sink.out);
	conf_free(&conf);
}

/* What is kept of a field is looked into as any other. */
static void
test_cut_field_is_qualified(void **state)
{
	struct conf *conf = load("header_size_limit = 2000\n");
	struct intake_context c = context(conf, true);
	struct sink sink = {.room = SIZE_MAX};
	struct buf in = {0};

	(void)state;
	buf_puts(&in, "From: a\r\nTo: bob");
	append_lines(&in, ",\r\n bob", 1000);
	buf_puts(&in, "\r\nMessage-Id: <y>\r\nDate: x\r\n\r\nTo: bob\r\n");
	assert_int_equal(run(&c, buf_view(&in), SIZE_MAX, &sink), INTAKE_OK);
	/* Of lines of 7 bytes behind the first of 10, 284 fit. */
	buf_reset(&in);
	buf_puts(&in, TRACE "From: a@example.org\r\nTo: bob@example.org");
	append_lines(&in, ",\r\n bob@example.org", 284);
	buf_puts(&in, ",\r\nMessage-Id: <y>\r\nDate: x\r\n\r\nTo: bob\r\n");
	if (!str_eq(buf_view(&in), buf_view(&sink.out)))
		fail_msg("%s", buf_cstr(&sink.out));
	buf_free(&in);
	buf_free(&sink.out);
	conf_free(&conf);
}

/* A line "From " in front is cut as a field is; what is no header is not. */
static void
test_large_first_line(void **state)
{
	struct conf *conf = load("header_size_limit = 2000\n");
	struct intake_context c = context(conf, false);

	(void)state;
	for (size_t step = 1; step < 9000; step = step * 3 + 1)
		for (int mailbox = 0; mailbox < 2; mailbox++) {
			struct sink sink = {.room = SIZE_MAX};
			struct buf in = {0}, out = {0};

			buf_puts(&in, mailbox ? "From " : "no field");
			buf_puts(
			    &out, mailbox ? TRACE "X-Mailbox-Line: From " : TRACE "\r\nno field");
			append_lines(&in, "x", 5000);
			append_lines(&out, "x", mailbox ? 1995 : 5000);
			buf_puts(&in, "\r\nA: b\r\n\r\nbody\r\n");
			buf_puts(&out, "\r\nA: b\r\n\r\nbody\r\n");
			assert_int_equal(run(&c, buf_view(&in), step, &sink), INTAKE_OK);
			if (!str_eq(buf_view(&sink.out), buf_view(&out)))
				fail_msg("step %zu: %s", step, buf_cstr(&sink.out));
			buf_free(&in);
			buf_free(&out);
			buf_free(&sink.out);
		}
	conf_free(&conf);
}

/* 50,000 fields, then one of ten megabytes, and one of as many in continuation lines; no field at all. */
static void
test_large_headers(void **state)
{
	struct conf *conf = load("message_size_limit = 0\nmailbox_size_limit = 0\n");
	struct intake_context c = context(conf, true);
	struct buf in = {0}, many = {0};

	(void)state;
	buf_puts(&many, WHOLE);
	append_lines(&many, "X-Header: some text that stands in a field\r\n", 50000);
	buf_puts(&many, "To: a@b.c");
	buf_str(&in, buf_view(&many));
	append_lines(&in, ", d@e.f", (size_t)(10 << 20) / 7);
	buf_puts(&in, "\r\nX-Folded:");
	append_lines(&in, "\r\n x", (size_t)(10 << 20) / 4);
	buf_puts(&in, "\r\n\r\nbody\r\n");
	for (size_t step = 1000; step < in.len; step *= 30) {
		struct sink sink = {.room = SIZE_MAX};

		assert_int_equal(run(&c, buf_view(&in), step, &sink), INTAKE_OK);
		assert_true(
		    str_starts(str_from(buf_view(&sink.out), strlen(TRACE)), buf_view(&many)));
		assert_non_null(strstr(buf_cstr(&sink.out), "\r\nX-Folded:\r\n x\r\n x\r\n"));
		assert_true(str_ends_nocase(buf_view(&sink.out), STR("x\r\n\r\nbody\r\n")));
		/* Two fields of at most header_size_limit, 102,400 bytes. */
		assert_in_range(sink.out.len, many.len + 2 * 102000, many.len + 2 * 102500);
		assert_true(sink.calls < sink.out.len / 8192 + in.len / step + 10);
		buf_free(&sink.out);
	}
	buf_free(&many);
	buf_reset(&in);
	append_lines(&in, "x", (size_t)10 << 20);
	for (size_t step = 1000; step < in.len; step *= 30) {
		struct sink sink = {.room = SIZE_MAX};

		assert_int_equal(run(&c, buf_view(&in), step, &sink), INTAKE_OK);
		assert_true(str_ends_nocase(buf_view(&sink.out), STR("xxx\r\n")));
		assert_int_equal(
		    sink.out.len, strlen(TRACE ADDED_ID ADDED_DATE ADDED_FROM) + 2 + in.len + 2);
		buf_free(&sink.out);
	}
	buf_free(&in);
	conf_free(&conf);
}

/* Stray bytes must not make a call of the sink each, nor anything be searched again and again. */
static void
test_stray_cost(void **state)
{
	static const char *const units[] = {"\r", "\n", "x\r", "x\n"};
	struct conf *conf = load("message_size_limit = 0\nmailbox_size_limit = 0\n");
	struct intake_context c = context(conf, false);

	(void)state;
	for (size_t u = 0; u < COUNT(units); u++)
		for (int in_body = 0; in_body < 2; in_body++) {
			struct sink sink = {.room = SIZE_MAX};
			struct buf in = {0};

			buf_puts(&in, in_body ? "A: b\r\n\r\n" : "A: ");
			append_lines(&in, units[u], (size_t)4 << 20);
			assert_int_equal(run(&c, buf_view(&in), SIZE_MAX, &sink), INTAKE_OK);
			assert_int_equal(
			    sink.out.len, strlen(TRACE) + (in_body ? in.len : 102400) + 2);
			assert_true(sink.calls < 2000);
			buf_free(&in);
			buf_free(&sink.out);
		}
	conf_free(&conf);
}

/* A small message is one call of the sink; a sink that fails stops everything. */
static void
test_sink(void **state)
{
	struct conf *conf = load("");
	struct intake_context c = context(conf, true);
	struct sink sink = {.room = SIZE_MAX};
	struct buf in = {0};

	(void)state;
	buf_puts(&in, "Subject: x\r\n\r\n");
	append_lines(&in, "A line of a small message.\r\n", 150);
	assert_int_equal(run(&c, buf_view(&in), 1000, &sink), INTAKE_OK);
	assert_int_equal(sink.calls, 1);
	append_lines(&in, "A line of a larger message.\r\n", 10000);
	for (size_t room = 0; room < 200000; room += 9999) {
		buf_reset(&sink.out);
		sink.room = room;
		assert_int_equal(run(&c, buf_view(&in), 1000, &sink), INTAKE_SINK_FAILED);
		assert_true(sink.out.len <= room);
	}
	buf_free(&sink.out);
	buf_free(&in);
	conf_free(&conf);
}

/* --- Properties ----------------------------------------------------------------------------- */

static uint64_t
next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* The same message in one piece and in random pieces gives the same bytes. */
static void
test_random_cuts(void **state)
{
	static const char *const parts[] = {"\r\n", "\r", "\n", "A: b", "To: bob", "Bcc: x", " ",
	    "\t", "Received: y", "From ", ":", "\0", "\xc3\xa4", ",", "carol@host",
	    "Message-Id: <z>", "x", ";", "(", "Resent-To: d"};
	struct conf *conf = load("header_size_limit = 1024\nhopcount_limit = 3\n");
	uint64_t seed = 88172645463325252u;

	(void)state;
	for (int n = 0; n < 30000; n++) {
		struct intake_context c = context(conf, n % 2);
		struct sink whole = {.room = SIZE_MAX}, cut = {.room = SIZE_MAX};
		enum intake_status status, status_cut = INTAKE_OK;
		struct intake *i;
		struct buf in = {0};
		struct str rest;

		for (uint64_t k = next(&seed) % 40; k > 0; k--) {
			const char *part = parts[next(&seed) % COUNT(parts)];

			buf_append(&in, part, part[0] == '\0' ? 1 : strlen(part));
			if (next(&seed) % 2)
				buf_puts(&in, "\r\n");
			if (next(&seed) % 200 == 0)
				append_lines(&in, "long ", 300);
		}
		rest = buf_view(&in);
		status = run(&c, rest, SIZE_MAX, &whole);
		i = intake_new(&c, collect, &cut);
		while (rest.len > 0 && status_cut == INTAKE_OK) {
			size_t step = 1 + next(&seed) % (next(&seed) % 2 ? 3 : 400);

			status_cut = intake_data(i, str_sub(rest, 0, step));
			rest = str_from(rest, step);
		}
		if (status_cut == INTAKE_OK)
			status_cut = intake_end(i);
		intake_free(&i);
		assert_int_equal(status, status_cut);
		if (status == INTAKE_OK && !str_eq(buf_view(&whole.out), buf_view(&cut.out)))
			fail_msg("of\n%s\nbecame\n%s\nand\n%s", buf_cstr(&in), buf_cstr(&whole.out),
			    buf_cstr(&cut.out));
		buf_free(&in);
		buf_free(&whole.out);
		buf_free(&cut.out);
	}
	conf_free(&conf);
}

/* A stranger's message with nothing to mend comes out as it went in, behind the trace. */
static void
test_byte_exact(void **state)
{
	struct conf *conf = load("");
	struct intake_context c = context(conf, false);
	uint64_t seed = 88172645463325252u;

	(void)state;
	for (int n = 0; n < 3000; n++) {
		struct sink sink = {.room = SIZE_MAX};
		struct buf in = {0};

		for (uint64_t fields = next(&seed) % 8; fields > 0; fields--) {
			buf_puts(&in, next(&seed) % 2 ? "X-Field :" : "To:");
			for (uint64_t k = next(&seed) % 300; k > 0; k--) {
				char byte = (char)next(&seed);

				if (byte != '\r' && byte != '\n')
					buf_putc(&in, byte);
				if (next(&seed) % 60 == 0)
					buf_puts(&in, "\r\n\t");
			}
			buf_puts(&in, "\r\n");
		}
		buf_puts(&in, "\r\n");
		for (uint64_t k = next(&seed) % 3000; k > 0; k--) {
			char byte = (char)next(&seed);

			if (byte == '\r' || byte == '\n')
				buf_puts(&in, "\r\n");
			else
				buf_putc(&in, byte);
		}
		buf_puts(&in, "\r\n");
		assert_int_equal(run(&c, buf_view(&in), 1 + next(&seed) % 700, &sink), INTAKE_OK);
		assert_true(str_eq(str_from(buf_view(&sink.out), strlen(TRACE)), buf_view(&in)));
		buf_free(&in);
		buf_free(&sink.out);
	}
	conf_free(&conf);
}

/* --- Envelope addresses --------------------------------------------------------------------- */

static const struct {
	const char *conf, *local, *domain, *expected;
} qualified[] = {
    {"", "bob", "", "bob@example.org"},
    {"", "bob", "host", "bob@host"}, /* append_dot_mydomain is off since compatibility_level 1 */
    {"append_dot_mydomain = yes\n", "bob", "host", "bob@host.example.org"},
    {"append_dot_mydomain = yes\n", "bob", "a.b", "bob@a.b"},
    {"append_dot_mydomain = yes\n", "bob", "[192.0.2.1]", "bob@[192.0.2.1]"},
    {"append_dot_mydomain = yes\nmyorigin = host\n", "bob", "", "bob@host.example.org"},
    {"append_at_myorigin = no\n", "bob", "", "bob"},
    {"", "", "", ""},
};

static void
test_qualify(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(qualified); i++) {
		struct conf *conf = load(qualified[i].conf);
		struct arena *a = arena_new(0);
		struct mail_address address = {
		    str_c(qualified[i].local), str_c(qualified[i].domain), false};

		intake_qualify(conf, a, &address);
		assert_true(str_eq(address_text(&address, a), str_c(qualified[i].expected)));
		arena_free(&a);
		conf_free(&conf);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cases),
	    cmocka_unit_test(test_from),
	    cmocka_unit_test(test_told),
	    cmocka_unit_test(test_qualified_line_is_folded),
	    cmocka_unit_test(test_hops),
	    cmocka_unit_test(test_size),
	    cmocka_unit_test(test_header_size),
	    cmocka_unit_test(test_cut_field_is_qualified),
	    cmocka_unit_test(test_large_first_line),
	    cmocka_unit_test(test_large_headers),
	    cmocka_unit_test(test_stray_cost),
	    cmocka_unit_test(test_sink),
	    cmocka_unit_test(test_random_cuts),
	    cmocka_unit_test(test_byte_exact),
	    cmocka_unit_test(test_qualify),
	};

	setenv("TZ", "UTC0", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
