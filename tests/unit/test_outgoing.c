/*
 * test_outgoing - generic addresses, checks of headers and bodies, filters of replies and results, and the
 * conversion among them
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/intake/outgoing.h"
#include "tests/unit/conf_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MAIN_CF                                                                                    \
	"compatibility_level = 3.6\nmyhostname = mail.example.org\nmydomain = example.org\n"       \
	"myorigin = origin.test\nmydestination = $myhostname, localhost\n"                         \
	"inet_interfaces = loopback-only\nproxy_interfaces = 192.0.2.9\n"                          \
	"recipient_delimiter = +\nappend_dot_mydomain = yes\n"

/* A configuration whose tables of patterns are one file; "RULES" in MORE stands for it. */
struct world {
	char *dir;
	struct conf *conf;
	struct outgoing_rules *rules;
	struct buf why;
};

static void
begin(struct world *w, const char *more, const char *patterns, bool lmtp)
{
	struct str rest = str_c(more);
	struct buf text = {0};
	size_t at;

	*w = (struct world){.dir = fixture_dir()};
	fixture_write(w->dir, "rules", patterns, strlen(patterns));
	while ((at = str_find(rest, STR("RULES"))) != STR_NPOS) {
		buf_printf(&text, "%.*sregexp:%s/rules", STR_ARG(str_sub(rest, 0, at)), w->dir);
		rest = str_from(rest, at + 5);
	}
	buf_str(&text, rest);
	w->conf = fixture_load_good(MAIN_CF, buf_cstr(&text));
	w->rules = outgoing_rules_new(w->conf, lmtp, NULL, &w->why);
	buf_free(&text);
}

static void
finish(struct world *w)
{
	outgoing_rules_free(&w->rules);
	outgoing_rules_free(&w->rules);
	conf_free(&w->conf);
	buf_free(&w->why);
	fixture_remove(w->dir);
}

/* --- generic(5) ----------------------------------------------------------------------------- */

#define GENERIC                                                                                    \
	"smtp_generic_maps = inline:{ {bob@origin.test = his@isp.test} {user = all@isp.test} "     \
	"{carol+x@origin.test = carolx@isp.test} {carol+y = y@isp.test} {dave = dave@} "           \
	"{@origin.test = other+local@isp.test} {@swap.test = @new.test} {bare = isp} "             \
	"{erin@x.test = erin@host} {eve+@z = q} {bad@x.test = {a b@c d}} }\n"
#define PROPAGATE "propagate_unmatched_extensions = canonical, generic\n"

static const struct {
	const char *conf, *local, *domain, *result; /* result NULL: deferred */
} generic[] = {
    {"", "bob", "origin.test", "bob@origin.test"},
    {GENERIC, "bob", "origin.test", "his@isp.test"},
    {GENERIC, "Bob", "Origin.Test", "his@isp.test"},
    {GENERIC, "bob", "elsewhere.test", "bob@elsewhere.test"},
    {GENERIC, "", "", ""},
    /* The user alone, where the site is ours. */
    {GENERIC, "user", "origin.test", "all@isp.test"},
    {GENERIC, "user", "mail.example.org", "all@isp.test"},
    {GENERIC, "user", "LOCALHOST", "all@isp.test"},
    {GENERIC, "user", "[127.0.0.1]", "all@isp.test"},
    {GENERIC, "user", "[192.0.2.9]", "all@isp.test"},
    {GENERIC, "user", "[192.0.2.10]", "user@[192.0.2.10]"},
    {GENERIC, "user", "example.org", "user@example.org"},
    {GENERIC, "user", "", "all@isp.test"},
    /* The domain. */
    {GENERIC, "nobody", "origin.test", "other+local@isp.test"},
    {GENERIC, "joe+list", "swap.test", "joe+list@new.test"},
    {GENERIC PROPAGATE, "joe+list", "swap.test", "joe+list@new.test"},
    /* Extensions. */
    {GENERIC, "bob+ext", "origin.test", "his@isp.test"},
    {GENERIC PROPAGATE, "bob+ext", "origin.test", "his+ext@isp.test"},
    {GENERIC PROPAGATE, "carol+x", "origin.test", "carolx@isp.test"},
    {GENERIC PROPAGATE, "carol+y", "localhost", "y@isp.test"},
    {GENERIC PROPAGATE, "user+z", "localhost", "all+z@isp.test"},
    {GENERIC PROPAGATE, "nobody+z", "origin.test", "other+local@isp.test"},
    /* Results are completed. */
    {GENERIC, "erin", "x.test", "erin@host.example.org"},
    {GENERIC, "bare", "localhost", "isp@origin.test"},
    {GENERIC, "bad", "x.test", NULL},
    {"smtp_generic_maps = hash:/no/such/file\n", "bob", "x.test", NULL},
    {"smtp_generic_maps = nosuch:x\n", "bob", "x.test", NULL},
    /* Patterns see whole addresses. */
    {"smtp_generic_maps = RULES\n", "bob", "x.test", "bob@y.test"},
    {"smtp_generic_maps = RULES\n", "bob+x", "x.test", "bob+x@x.test"},
    {"smtp_generic_maps = RULES\n", "joe", "localhost", "joe@localhost"},
};

static void
test_generic(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(generic); i++) {
		struct mail_address address = {
		    str_c(generic[i].local), str_c(generic[i].domain), false};
		struct mail_address result;
		struct arena *a = arena_new(0);
		struct buf why = {0};
		struct world w;
		enum outgoing_status status;

		begin(
		    &w, generic[i].conf, "/^(bob)@x\\.test$/ $1@y.test\n/^joe$/ x@z.test\n", false);
		assert_true(outgoing_edits(w.rules) == (generic[i].conf[0] != '\0'));
		status = outgoing_address(w.rules, &address, a, &result, &why);
		if (!generic[i].result) {
			if (status != OUTGOING_DEFER ||
			    strncmp(buf_cstr(&why), "4.3.0 smtp_generic_maps: ", 25) != 0)
				fail_msg("case %zu: %d, %s", i, (int)status, buf_cstr(&why));
		} else if (status != OUTGOING_OK ||
		    !str_eq(address_text(&result, a), str_c(generic[i].result))) {
			fail_msg("case %zu: %d, %.*s, %s", i, (int)status,
			    STR_ARG(address_text(&result, a)), buf_cstr(&why));
		}
		finish(&w);
		arena_free(&a);
		buf_free(&why);
	}
}

/* --- Content -------------------------------------------------------------------------------- */

static bool
take(void *arg, struct str piece)
{
	assert_true(piece.len > 0);
	buf_str(arg, piece);
	return true;
}

static enum outgoing_status
run(struct world *w, bool convert, struct str in, size_t step, struct buf *out, struct buf *why)
{
	struct outgoing *o = outgoing_new(w->rules, STR("4QUEUEID"), convert, true, take, out);
	enum outgoing_status status = OUTGOING_OK;

	for (; status == OUTGOING_OK && in.len > 0; in = str_from(in, step))
		status = outgoing_data(o, str_sub(in, 0, step));
	if (status == OUTGOING_OK)
		status = outgoing_end(o);
	buf_str(why, outgoing_why(o));
	outgoing_free(&o);
	outgoing_free(&o);
	return status;
}

#define PATTERNS                                                                                   \
	"/^Subject: drop/ IGNORE\n/^Subject: strip/ STRIP because\n"                               \
	"/^Subject: warn/ WARN look\n/^Subject: info/ info\n/^Subject: dunno/ DUNNO\n"             \
	"/^Subject: (re)place/ REPLACE Subject: $1 done\n/^Subject: prepend/ PREPEND X-A: b\n"     \
	"/^Subject: no text/ REPLACE\n/^Subject: no field/ PREPEND some words\n"                   \
	"/^Subject: reject/ REJECT go away\n/^To: x/ REPLACE To: bob@origin.test\n"                \
	"/^Folded: a\n b$/ REPLACE Folded: no\n"                                                   \
	"/^Content-Type: text.html/ REPLACE Content-Type: text/plain\n/^body drop$/ IGNORE\n"      \
	"/^body replace/ REPLACE another\n/^body prepend/ PREPEND this\n/^--b$/ PREPEND between\n" \
	"/quoted-printable/ PREPEND X-Encoded: yes\n"
#define CHECKS "smtp_header_checks = RULES\n"

static const struct {
	const char *conf;
	bool convert;
	const char *in, *out; /* NULL: the same; "!text": it fails, because of text */
} contents[] = {
    {"", false, "Subject: drop\r\n\r\nbody drop\r\n", NULL},
    {CHECKS, false, "A: b\r\nSubject: drop\r\nC: d\r\n\r\nbody drop\r\n",
	"A: b\r\nC: d\r\n\r\nbody drop\r\n"},
    {CHECKS, false, "A: b\r\nSubject: strip\r\n this\r\n\r\n", "A: b\r\n\r\n"},
    {CHECKS, false, "Subject: warn\r\nSubject: info\r\nSubject: dunno\r\n\r\n", NULL},
    {CHECKS, false, "subject: replace\r\n x\r\nA: b\r\n\r\n", "Subject: re done\r\nA: b\r\n\r\n"},
    {CHECKS, false, "A: b\r\nSubject: prepend\r\n\r\n",
	"A: b\r\nX-A: b\r\nSubject: prepend\r\n\r\n"},
    /* What makes no sense changes nothing. */
    {CHECKS, false, "Subject: no text\r\nSubject: no field\r\nSubject: reject\r\n\r\n", NULL},
    /* Who checks what. */
    {CHECKS, false, "Content-Type: text/html\r\n\r\n", NULL},
    {"smtp_mime_header_checks = RULES\n", false,
	"Subject: drop\r\nContent-Type: text/html\r\n\r\nbody drop\r\n",
	"Subject: drop\r\nContent-Type: text/plain\r\n\r\nbody drop\r\n"},
    {"smtp_mime_header_checks = RULES\n", false,
	"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nSubject: drop\r\n\r\n--b--\r\n",
	"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n--b--\r\n"},
    {"smtp_nested_header_checks = RULES\n", false,
	"Subject: drop\r\nContent-Type: message/rfc822\r\n\r\nSubject: drop\r\n\r\nx",
	"Subject: drop\r\nContent-Type: message/rfc822\r\n\r\n\r\nx"},
    {"smtp_body_checks = RULES\n", false,
	"Subject: drop\r\n\r\nbody drop\r\nbody drop \r\n\r\nbody replace\r\nbody prepend\r\nx",
	"Subject: drop\r\n\r\nbody drop \r\n\r\nanother\r\nthis\r\nbody prepend\r\nx"},
    {"smtp_body_checks = RULES\n", false,
	"Content-Type: multipart/mixed; boundary=b\r\n\r\nbody drop\r\n--b\r\n\r\nbody drop\r\n"
	"--b--\r\nbody drop\r\n",
	"Content-Type: multipart/mixed; boundary=b\r\n\r\nbetween\r\n--b\r\n\r\n--b--\r\n"},
    /* The limit is that of body_checks, on the way in: what is to be masked is masked to the end. */
    {"smtp_body_checks = RULES\nbody_checks_size_limit = 12\n", false,
	"A: b\r\n\r\nbody drop\r\nbody drop\r\nbody drop\r\n", "A: b\r\n\r\n"},
    /* generic: the addresses of the message's own header. */
    {GENERIC, false,
	"From: Bob <bob@origin.test>\r\nTo: bob@origin.test (x), \"bob\"@origin.test,\r\n "
	"<user@localhost>, z@q.test\r\nSubject: bob@origin.test\r\n"
	"Content-Type: message/rfc822\r\n\r\nFrom: bob@origin.test\r\n\r\nbob@origin.test\r\n",
	"From: Bob <his@isp.test>\r\nTo: his@isp.test (x), his@isp.test,\r\n "
	"<all@isp.test>, z@q.test\r\nSubject: bob@origin.test\r\n"
	"Content-Type: message/rfc822\r\n\r\nFrom: bob@origin.test\r\n\r\nbob@origin.test\r\n"},
    {GENERIC, false, "Cc: undisclosed: ;\r\nBcc: list: bob@origin.test, user;\r\n\r\n",
	"Cc: undisclosed: ;\r\nBcc: list: his@isp.test, all@isp.test;\r\n\r\n"},
    {GENERIC, false, "To: bad@x.test\r\n\r\n", "!4.3.0 smtp_generic_maps: "},
    /* A field that was replaced is changed further, one that was put in is not. */
    {CHECKS GENERIC, false, "To: x\r\n\r\n", "To: his@isp.test\r\n\r\n"},
    /* Tables that do not answer. */
    {"smtp_header_checks = regexp:/no/such/file\n", false, "A: b\r\n\r\n",
	"!4.3.0 smtp_header_checks: "},
    {"smtp_body_checks = nosuch:x\n", false, "A: b\r\n\r\nx\r\n", "!4.3.0 smtp_body_checks: "},
    /* The conversion goes first. */
    {"", true, "A: b\r\n\r\n\xc3\xbc\r\n",
	"A: b\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
	"Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC\r\n"},
    {"smtp_mime_header_checks = RULES\n", true,
	"MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n\xc3\xbc\r\n",
	"MIME-Version: 1.0\r\nContent-Type: text/plain\r\nX-Encoded: yes\r\n"
	"Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC\r\n"},
    {"", true, "Content-Type: message/partial\r\n\r\n\xff", "!5.6.3 "},
};

static void
test_content(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(contents); i++) {
		const char *expected = contents[i].out ? contents[i].out : contents[i].in;
		struct world w;

		begin(&w, contents[i].conf, PATTERNS, false);
		for (size_t step = 1; step < 300; step = step < 5 ? step + 1 : step * 3) {
			struct buf out = {0}, why = {0};
			enum outgoing_status status =
			    run(&w, contents[i].convert, str_c(contents[i].in), step, &out, &why);

			if (expected[0] == '!') {
				if (status !=
					(expected[1] == '4' ? OUTGOING_DEFER : OUTGOING_FAIL) ||
				    strncmp(buf_cstr(&why), expected + 1, strlen(expected + 1)) !=
					0)
					fail_msg("case %zu by %zu: %d, %s", i, step, (int)status,
					    buf_cstr(&why));
			} else if (status != OUTGOING_OK ||
			    !str_eq(buf_view(&out), str_c(expected))) {
				fail_msg("case %zu by %zu: %d, %s\n%s", i, step, (int)status,
				    buf_cstr(&why), buf_cstr(&out));
			}
			buf_free(&out);
			buf_free(&why);
		}
		finish(&w);
	}
}

/* Large content arrives whole, whatever the size of pieces; long lines are checked piece by piece. */
static void
test_large(void **state)
{
	struct buf in = {0}, out = {0}, why = {0};
	struct world w;

	(void)state;
	begin(&w, "smtp_body_checks = RULES\n", "/nothing like this/ IGNORE\n", false);
	buf_puts(&in, "Subject: x\r\n\r\n");
	for (int i = 0; i < 20000; i++)
		buf_printf(&in, "%0*d\r\n", i % 1000 == 0 ? 9000 : i % 90, i);
	for (size_t step = 1000; step < 200000; step *= 5) {
		buf_reset(&out);
		assert_int_equal(run(&w, false, buf_view(&in), step, &out, &why), OUTGOING_OK);
		assert_true(str_eq(buf_view(&in), buf_view(&out)));
	}
	finish(&w);
	buf_free(&in);
	buf_free(&out);
}

static bool
refuse(void *arg, struct str piece)
{
	(void)arg, (void)piece;
	return false;
}

static void
test_sink_fails(void **state)
{
	struct outgoing *o;
	struct world w;

	(void)state;
	begin(&w, "", "", false);
	o = outgoing_new(w.rules, STR("4QUEUEID"), false, true, refuse, NULL);
	assert_int_equal(outgoing_data(o, STR("A: b\r\n\r\n")), OUTGOING_OK);
	assert_int_equal(outgoing_end(o), OUTGOING_SINK_FAILED);
	assert_int_equal(outgoing_why(o).len, 0);
	outgoing_free(&o);
	finish(&w);
}

/* --- Rules, replies, results ---------------------------------------------------------------- */

static void
test_rules(void **state)
{
	struct world w;

	(void)state;
	begin(
	    &w, "disable_mime_output_conversion = yes\nlmtp_header_checks = nosuch:x\n", "", false);
	assert_false(outgoing_converts(w.rules));
	assert_false(outgoing_edits(w.rules));
	assert_int_equal(w.why.len, 0);
	finish(&w);
	begin(&w, "lmtp_header_checks = nosuch:x\n", "", true);
	assert_true(outgoing_converts(w.rules));
	assert_true(outgoing_edits(w.rules));
	assert_true(strstr(buf_cstr(&w.why), "lmtp_header_checks: ") != NULL);
	finish(&w);
}

static const struct {
	const char *conf, *line, *out; /* NULL: deferred */
} replies[] = {
    {"", "250 ok", "250 ok"},
    {"smtp_reply_filter = RULES\n", "250 ok", "250 ok"},
    {"smtp_reply_filter = RULES\n", "garbage", "250-filler for garbage"},
    {"smtp_reply_filter = RULES\n", "", "250-filler for garbage"},
    {"smtp_reply_filter = RULES\n", "452 full", "552 full"},
    {"smtp_reply_filter = regexp:/no/such/file\n", "250 ok", NULL},
};

static void
test_replies(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(replies); i++) {
		struct buf out = {0}, why = {0};
		enum outgoing_status status;
		struct world w;

		begin(&w, replies[i].conf,
		    "!/^([2-5][0-9][0-9]($|[- ]))/ 250-filler for garbage\n/^452 (.*)/ 552 $1\n",
		    false);
		status = outgoing_reply(w.rules, str_c(replies[i].line), &out, &why);
		if (status != (replies[i].out ? OUTGOING_OK : OUTGOING_DEFER) ||
		    !str_eq(buf_view(&out), str_c(replies[i].out)))
			fail_msg("case %zu: %s, %s", i, buf_cstr(&out), buf_cstr(&why));
		finish(&w);
		buf_free(&out);
		buf_free(&why);
	}
}

static const struct {
	const char *conf, *dsn, *text, *out; /* out "" : it stays */
} results[] = {
    {"", "4.7.5", "bad certificate", ""},
    {"smtp_delivery_status_filter = RULES\n", "4.7.5", "bad certificate", "5.7.5 bad certificate"},
    {"default_delivery_status_filter = RULES\n", "4.7.5", "x", "5.7.5 x"},
    {"smtp_delivery_status_filter = RULES\n", "2.0.0", "sent", ""},
    {"smtp_delivery_status_filter = RULES\n", "2.1.0", "fine", "2.0.0 better"},
    /* A success stays a success, a failure one. */
    {"smtp_delivery_status_filter = RULES\n", "2.2.0", "x", ""},
    {"smtp_delivery_status_filter = RULES\n", "4.2.0", "x", ""},
    {"smtp_delivery_status_filter = RULES\n", "4.3.0", "no text", ""},
    {"smtp_delivery_status_filter = RULES\n", "4.4.0", "no code", ""},
    {"smtp_delivery_status_filter = regexp:/no/such/file\n", "4.7.5", "x", ""},
};

static void
test_results(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(results); i++) {
		struct buf dsn = {0}, text = {0};
		struct world w;

		begin(&w, results[i].conf,
		    "/^4(\\.7\\.5 .*)/ 5$1\n/^2\\.1\\.0/ 2.0.0 better\n/^2\\.2/ 4.2.0 no\n"
		    "/^4\\.2/ 2.2.0 no\n/^4\\.3/ 4.3.1\n/^4\\.4/ text alone\n",
		    false);
		outgoing_result(
		    w.rules, str_c(results[i].dsn), str_c(results[i].text), &dsn, &text);
		if (dsn.len > 0)
			buf_printf(&dsn, " %s", buf_cstr(&text));
		assert_string_equal(buf_cstr(&dsn), results[i].out);
		finish(&w);
		buf_free(&dsn);
		buf_free(&text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_generic),
	    cmocka_unit_test(test_content),
	    cmocka_unit_test(test_large),
	    cmocka_unit_test(test_sink_fails),
	    cmocka_unit_test(test_rules),
	    cmocka_unit_test(test_replies),
	    cmocka_unit_test(test_results),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
