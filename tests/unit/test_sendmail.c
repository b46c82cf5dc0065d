/* test_sendmail - options, input and recipients of sendmail */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "sendmail/input.h"
#include "sendmail/options.h"
#include "sendmail/recipients.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- Options --------------------------------------------------------------------------------- */

/* LINE split at spaces; "''" is an empty word. The words live in COPY. */
static int
split(const char *line, char *copy, size_t size, char **argv, int max)
{
	int argc = 0;
	char *save = NULL;

	assert_true(strlen(line) < size);
	strcpy(copy, line);
	for (char *w = strtok_r(copy, " ", &save); w && argc < max;
	     w = strtok_r(NULL, " ", &save)) {
		if (strcmp(w, "''") == 0)
			*w = '\0';
		argv[argc++] = w;
	}
	argv[argc] = NULL;
	return argc;
}

/* The options in a form that a table can hold. */
static void
describe(const struct options *o, struct buf *out)
{
	static const char *const modes[] = {
	    "enqueue", "newaliases", "mailq", "daemon", "smtp", "flush", "nothing"};

	buf_puts(out, modes[o->mode]);
	if (o->config_dir)
		buf_printf(out, " C=%s", o->config_dir);
	if (o->sender)
		buf_printf(out, " f=%s", o->sender);
	if (o->full_name)
		buf_printf(out, " F=%s", o->full_name);
	if (o->envid)
		buf_printf(out, " V=%s", o->envid);
	if (o->flush_site)
		buf_printf(out, " R=%s", o->flush_site);
	if (o->flush_sender)
		buf_printf(out, " S=%s", o->flush_sender);
	if (o->flush_recipient)
		buf_printf(out, " to=%s", o->flush_recipient);
	if (o->flush_id)
		buf_printf(out, " I=%s", o->flush_id);
	if (o->notify)
		buf_printf(out, " N=%u", o->notify);
	if (o->ret)
		buf_printf(out, " ret=%s", o->ret == DSN_RET_FULL ? "full" : "hdrs");
	buf_printf(out, "%s%s%s%s%s%s%s%s", o->extract ? " extract" : "",
	    o->ignore_dots ? " dots" : "", o->gateway ? " gateway" : "",
	    o->body_8bit ? " 8bit" : "", o->smtputf8 ? " utf8" : "", o->verify ? " verify" : "",
	    o->interval ? " interval" : "", o->report ? " report" : "");
	if (o->verbose)
		buf_printf(out, " v=%d", o->verbose);
	for (size_t i = 0; i < o->n_recipients; i++)
		buf_printf(out, " <%s>", o->recipients[i]);
	if (o->warnings.len)
		buf_puts(out, " warned");
}

static const struct {
	const char *line;
	const char *result; /* NULL: a usage error */
} option_cases[] = {
    {"sendmail root", "enqueue <root>"},
    {"/usr/sbin/sendmail -t", "enqueue extract"},
    {"sendmail -ti", "enqueue extract dots"},
    {"sendmail -t -oi -oem root", "enqueue extract dots <root>"},
    {"sendmail -o i root", "enqueue dots <root>"},
    {"sendmail -i -f a@b c", "enqueue f=a@b dots <c>"},
    {"sendmail -fa@b c", "enqueue f=a@b <c>"},
    {"sendmail -f '' c", "enqueue f= <c>"},
    {"sendmail -r x c", "enqueue f=x <c>"},
    {"sendmail c -f x", "enqueue f=x <c>"},
    {"sendmail -- -f", "enqueue <-f>"},
    {"sendmail -F Name c", "enqueue F=Name <c>"},
    {"sendmail -bm -om -m -n -x -c -U c", "enqueue <c>"},
    {"sendmail -Am -h 3 -L tag -e m -odi -o7 -o8 -p esmtp c", "enqueue <c>"},
    {"sendmail -G -B8BITMIME c", "enqueue gateway 8bit <c>"},
    {"sendmail -B 7bit c", "enqueue <c>"},
    {"sendmail -B 9BIT c", NULL},
    {"sendmail -N success,delay c", "enqueue N=10 <c>"},
    {"sendmail -N never c", "enqueue N=1 <c>"},
    {"sendmail -N sometimes c", "enqueue <c> warned"},
    {"sendmail -R hdrs c", "enqueue ret=hdrs <c>"},
    {"sendmail -R FULL c", "enqueue ret=full <c>"},
    {"sendmail -R half c", "enqueue <c> warned"},
    {"sendmail -V id-1 c", "enqueue V=id-1 <c>"},
    {"sendmail -O SMTPUTF8=Yes c", "enqueue utf8 <c>"},
    {"sendmail -O smtputf8=no c", "enqueue <c>"},
    {"sendmail -O smtputf8=perhaps c", NULL},
    {"sendmail -O requiretls=yes c", NULL},
    {"sendmail -O DeliveryMode=b c", "enqueue <c>"},
    {"sendmail -v c", "enqueue report <c>"},
    {"sendmail -v -v c", "enqueue v=2 <c>"},
    {"sendmail -bv c", "enqueue verify <c>"},
    {"sendmail -bv -v -v c", "enqueue verify v=2 <c>"},
    {"sendmail -bv -t", NULL},
    {"sendmail -bv -N never c", NULL},
    {"sendmail -bv -v c", NULL},
    {"sendmail -C /etc/x/main.cf c", "enqueue C=/etc/x <c>"},
    {"sendmail -C main.cf c", "enqueue C=. <c>"},
    {"sendmail -C /main.cf c", "enqueue C=/ <c>"},
    {"sendmail -C /etc/x c", "enqueue C=/etc/x <c>"},
    {"sendmail -bp", "mailq"},
    {"sendmail -bp c", NULL},
    {"mailq", "mailq"},
    {"mailq -v", "mailq v=1"},
    {"mailq -t", NULL},
    {"newaliases", "newaliases"},
    {"newaliases -bp", "mailq"},
    {"sendmail -bi", "newaliases"},
    {"sendmail -I", "newaliases"},
    {"sendmail -bs", "smtp"},
    {"sendmail -bd", "daemon"},
    {"sendmail -bl", "daemon"},
    {"sendmail -bd -q30m", "daemon interval"},
    {"sendmail -bd -q", "daemon warned"},
    {"sendmail -q -bd", "daemon warned"},
    {"sendmail -bh", "nothing"},
    {"sendmail -bH", "nothing"},
    {"sendmail -bt", NULL},
    {"sendmail -bz", NULL},
    {"sendmail -q", "flush"},
    {"sendmail -q15m", "enqueue interval"},
    {"sendmail -qRexample.org", "enqueue R=example.org"},
    {"sendmail -qR", NULL},
    {"sendmail -qIABC", "enqueue I=ABC"},
    {"sendmail -qI", NULL},
    {"sendmail -qI1 c", NULL},
    {"sendmail -qSexample.org", "enqueue S=example.org"},
    {"sendmail -qRa@example.org -qSb", "enqueue S=b to=a@example.org"},
    {"sendmail -qRexample.org -qSb", "enqueue R=example.org S=b"},
    {"sendmail -qS", NULL},
    {"sendmail -qSa -qSb", NULL},
    {"sendmail -qSa -qIABC", NULL},
    {"sendmail -qSa c", NULL},
    {"sendmail -qSa -bp", NULL},
    {"sendmail -q!Sa", NULL},
    {"sendmail -X /tmp/log c", NULL},
    {"sendmail -Z", NULL},
    {"sendmail --help", NULL},
    {"sendmail -f", NULL},
};

static void
test_options(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(option_cases); i++) {
		char copy[200];
		char *argv[32];
		int argc = split(option_cases[i].line, copy, sizeof(copy), argv, 31);
		struct options o;
		struct buf why = {0};
		struct buf text = {0};
		bool ok = options_parse(argc, argv, &o, &why);

		describe(&o, &text);
		if (ok != (option_cases[i].result != NULL))
			fail_msg("\"%s\": %s", option_cases[i].line, ok ? "taken" : buf_cstr(&why));
		if (ok && strcmp(buf_cstr(&text), option_cases[i].result) != 0)
			fail_msg("\"%s\": \"%s\"", option_cases[i].line, buf_cstr(&text));
		assert_true(ok || why.len > 0);
		options_free(&o);
		buf_free(&why);
		buf_free(&text);
	}
}

static void
test_envid_limit(void **state)
{
	char just[DSN_ENVID_MAX + 1];
	char over[DSN_ENVID_MAX + 2];
	char *argv[] = {(char[]){"sendmail"}, (char[]){"-V"}, NULL, (char[]){"root"}, NULL};
	struct options o;
	struct buf why = {0};

	(void)state;
	memset(just, 'x', sizeof(just) - 1);
	just[sizeof(just) - 1] = '\0';
	memset(over, 'x', sizeof(over) - 1);
	over[sizeof(over) - 1] = '\0';
	argv[2] = just;
	assert_true(options_parse(4, argv, &o, &why));
	assert_string_equal(o.envid, just);
	options_free(&o);
	argv[2] = over;
	assert_true(options_parse(4, argv, &o, &why));
	assert_null(o.envid);
	assert_true(o.warnings.len > 0);
	options_free(&o);
	buf_free(&why);
}

/* ---- Input ----------------------------------------------------------------------------------- */

static const struct {
	const char *in;
	const char *out;
	enum line_ends line_ends;
	bool ignore_dots;
} input_cases[] = {
    {"", "", LINE_ENDS_ALWAYS, false},
    {"a\nb\n", "a\r\nb\r\n", LINE_ENDS_ALWAYS, false},
    {"a\r\nb\n", "a\r\nb\r\n", LINE_ENDS_ALWAYS, false},
    {"a\r\r\nb", "a\r\nb\r\n", LINE_ENDS_ALWAYS, false},
    {"a\rb\n", "a b\r\n", LINE_ENDS_ALWAYS, false},
    {"a\r", "a \r\n", LINE_ENDS_ALWAYS, false},
    {"\n\n", "\r\n\r\n", LINE_ENDS_ALWAYS, false},
    {"a\n.\nb\n", "a\r\n", LINE_ENDS_ALWAYS, false},
    {"a\r\n.\r\nb\r\n", "a\r\n", LINE_ENDS_ALWAYS, false},
    {"a\n.", "a\r\n", LINE_ENDS_ALWAYS, false},
    {".", "", LINE_ENDS_ALWAYS, false},
    {"a\n..\n. \n.x\n", "a\r\n..\r\n. \r\n.x\r\n", LINE_ENDS_ALWAYS, false},
    {"a\n.\nb\n", "a\r\n.\r\nb\r\n", LINE_ENDS_ALWAYS, true},
    {"From a b\nFrom: c\nFrom d\n", "From: c\r\nFrom d\r\n", LINE_ENDS_ALWAYS, false},
    {">>From a\nFrom b\nX\n", "X\r\n", LINE_ENDS_ALWAYS, false},
    {"a\r\nb\r\n", "a\r\nb\r\n", LINE_ENDS_STRICT, false},
    {"a\nb\r\n", "a\r\nb \r\n", LINE_ENDS_STRICT, false},
    {"a\r\nb\n", "a\r\nb\r\n", LINE_ENDS_STRICT, false},
    {"a\r\n.\r\n", "a \r\n. \r\n", LINE_ENDS_NEVER, false},
};

static void
test_input(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(input_cases); i++) {
		struct str all = str_c(input_cases[i].in);

		for (size_t step = 1; step < 20; step++) {
			struct input in = {.line_ends = input_cases[i].line_ends,
			    .ignore_dots = input_cases[i].ignore_dots};
			struct buf out = {0};

			for (size_t at = 0; at < all.len; at += step)
				input_take(&in, str_sub(all, at, step), &out);
			input_end(&in, &out);
			if (strcmp(buf_cstr(&out), input_cases[i].out) != 0)
				fail_msg("case %zu, step %zu: \"%s\"", i, step, buf_cstr(&out));
			buf_free(&out);
			input_free(&in);
		}
	}
}

/* A line of a megabyte goes through in bounded memory; a CR at the place of a cut keeps its meaning. */
static void
test_input_long(void **state)
{
	struct input in = {.line_ends = LINE_ENDS_ALWAYS};
	struct buf out = {0};
	char piece[1000];

	(void)state;
	memset(piece, 'x', sizeof(piece));
	for (int i = 0; i < 1000; i++) {
		input_take(&in, str_n(piece, sizeof(piece)), &out);
		assert_true(in.line.len < 20000);
	}
	for (int i = 0; i < 40; i++) {
		memset(piece, '\r', sizeof(piece));
		input_take(&in, str_n(piece, sizeof(piece)), &out);
		assert_true(in.line.len < 20000);
	}
	input_take(&in, STR("\n.\n"), &out);
	assert_true(in.done);
	assert_int_equal(str_chr(buf_view(&out), '\r'), out.len - 2);
	assert_true(out.len > 1000000);
	buf_free(&out);
	input_free(&in);
}

/* ---- Recipients ------------------------------------------------------------------------------ */

static void
join(const struct recipients *r, struct buf *out)
{
	for (size_t i = 0; i < r->n; i++)
		buf_printf(out, "%s%.*s", i ? " | " : "", STR_ARG(r->list[i]));
}

static const struct {
	const char *word;
	const char *result; /* NULL: refused */
} word_cases[] = {
    {"root", "root"},
    {"a@example.org", "a@example.org"},
    {"a, b@c.example", "a | b@c.example"},
    {"Some One <a@b.example>", "a@b.example"},
    {"a (comment)", "a"},
    {"\"a b\"@c.example", "\"a b\"@c.example"},
    {"group: a, b;", "a | b"},
    {"", NULL},
    {"<>", NULL},
    {",", NULL},
};

static void
test_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(word_cases); i++) {
		struct arena *a = arena_new(0);
		struct recipients r = {0};
		struct buf why = {0};
		struct buf text = {0};
		bool ok = recipients_add_word(&r, str_c(word_cases[i].word), a, &why);

		join(&r, &text);
		if (ok != (word_cases[i].result != NULL))
			fail_msg("\"%s\": %s", word_cases[i].word, ok ? "taken" : buf_cstr(&why));
		if (ok)
			assert_string_equal(buf_cstr(&text), word_cases[i].result);
		recipients_free(&r);
		buf_free(&why);
		buf_free(&text);
		arena_free(&a);
	}
}

static const struct {
	const char *header;
	const char *result;
} header_cases[] = {
    {"To: a\r\nSubject: b\r\n\r\nTo: x\r\n", "a"},
    {"To: a, B <b@c.example>\r\nCc: d\r\nBcc: e,\r\n f\r\n\r\n", "a | b@c.example | d | e | f"},
    {"From: x\r\nSubject: to: y\r\n\r\n", ""},
    {"To: a\r\nResent-To: b\r\nResent-Bcc: c\r\nCc: d\r\n\r\n", "b | c"},
    {"to: a\r\nTO : b\r\n\r\n", "a | b"},
    {"To: undisclosed-recipients:;\r\nBcc: a\r\n\r\n", "a"},
    {"\r\nTo: a\r\n", ""},
};

static void
test_header(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(header_cases); i++) {
		struct arena *a = arena_new(0);
		struct recipients r = {0};
		struct buf why = {0};
		struct buf text = {0};

		assert_true(recipients_add_header(&r, str_c(header_cases[i].header), a, &why));
		join(&r, &text);
		assert_string_equal(buf_cstr(&text), header_cases[i].result);
		recipients_free(&r);
		buf_free(&why);
		buf_free(&text);
		arena_free(&a);
	}
}

static const struct {
	const char *word;
	const char *result;
	bool several;
} sender_cases[] = {
    {"alice", "alice", false},
    {"<alice@example.org>", "alice@example.org", false},
    {"Alice A <alice@example.org>", "alice@example.org", false},
    {"", "", false},
    {"<>", "", false},
    {"a, b", "a", true},
};

static void
test_sender(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(sender_cases); i++) {
		struct arena *a = arena_new(0);
		struct buf why = {0};
		struct str sender;
		bool several;

		assert_true(
		    sender_from_word(str_c(sender_cases[i].word), a, &sender, &several, &why));
		assert_true(str_eq(sender, str_c(sender_cases[i].result)));
		assert_int_equal(several, sender_cases[i].several);
		buf_free(&why);
		arena_free(&a);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_options),
	    cmocka_unit_test(test_envid_limit),
	    cmocka_unit_test(test_input),
	    cmocka_unit_test(test_input_long),
	    cmocka_unit_test(test_words),
	    cmocka_unit_test(test_header),
	    cmocka_unit_test(test_sender),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
