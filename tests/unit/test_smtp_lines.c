/*
 * test_smtp_lines - command lines, ESMTP parameters, BDAT, replies written and read
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/smtp/bdat.h"
#include "lib/smtp/command.h"
#include "lib/smtp/reply.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
	const char *line, *verb, *arg;
} commands[] = {
    {"HELO a", "HELO", "a"},
    {"  mail \t FROM:<a@b>  SIZE=1 ", "mail", "FROM:<a@b>  SIZE=1"},
    {"QUIT", "QUIT", ""},
    {"", "", ""},
    {"   ", "", ""},
    {"\tDATA\t", "DATA", ""},
};

static void
test_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(commands); i++) {
		struct smtp_command c;

		smtp_command_split(str_c(commands[i].line), &c);
		assert_true(str_eq(c.verb, str_c(commands[i].verb)));
		assert_true(str_eq(c.arg, str_c(commands[i].arg)));
		assert_true(smtp_command_is(&c, commands[i].verb));
		assert_false(smtp_command_is(&c, "NOOP"));
	}
}

static const struct {
	const char *arg;
	bool strict;
	const char *path; /* NULL: it is not FROM: */
} keywords[] = {
    {"FROM:<a@b>", true, "<a@b>"},
    {"from:<a@b>", true, "<a@b>"},
    {"FROM: <a@b>", true, " <a@b>"},
    {"FROM: <a@b>", false, "<a@b>"},
    {"FROM : <a@b>", false, "<a@b>"},
    {"FROM :<a@b>", true, NULL},
    {"FROM<a@b>", false, NULL},
    {"FRO", false, NULL},
    {"FROM", false, NULL},
    {"TO:<a@b>", false, NULL},
    {"", false, NULL},
};

static void
test_keyword(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(keywords); i++) {
		struct str path;
		bool ok =
		    smtp_command_keyword(str_c(keywords[i].arg), "FROM", keywords[i].strict, &path);

		assert_int_equal(ok, keywords[i].path != NULL);
		assert_true(!ok || str_eq(path, str_c(keywords[i].path)));
	}
}

static void
test_clean(void **state)
{
	(void)state;
	assert_true(smtp_command_clean(STR("MAIL\tFROM:<a@b>"), false));
	assert_false(smtp_command_clean(STR("MAIL\0"), false));
	assert_false(smtp_command_clean(STR("a\rb"), false));
	assert_false(smtp_command_clean(STR("a\x7f"), false));
	assert_false(smtp_command_clean(STR("\xc3\xa4"), false));
	assert_true(smtp_command_clean(STR("\xc3\xa4"), true));
	assert_false(smtp_command_clean(STR("\xe4"), true));
}

static const struct {
	const char *text;
	bool utf8;
	enum smtp_param_status status;
	const char *key, *value; /* value NULL: none */
} params[] = {
    {" SIZE=100", false, SMTP_PARAM_OK, "SIZE", "100"},
    {"  SMTPUTF8  BODY=8BITMIME", false, SMTP_PARAM_OK, "SMTPUTF8", NULL},
    {"", false, SMTP_PARAM_END, NULL, NULL},
    {" \t ", false, SMTP_PARAM_END, NULL, NULL},
    {"X-1=a", false, SMTP_PARAM_OK, "X-1", "a"},
    {"-X=a", false, SMTP_PARAM_BAD, NULL, NULL},
    {"X_Y=a", false, SMTP_PARAM_BAD, NULL, NULL},
    {"=a", false, SMTP_PARAM_BAD, NULL, NULL},
    {"SIZE=", false, SMTP_PARAM_BAD, NULL, NULL},
    {"A=b=c", false, SMTP_PARAM_BAD, NULL, NULL},
    {"A=\x01", false, SMTP_PARAM_BAD, NULL, NULL},
    {"A=\x7f", false, SMTP_PARAM_BAD, NULL, NULL},
    {"A=\xc3\xa4", false, SMTP_PARAM_BAD, NULL, NULL},
    {"A=\xc3\xa4", true, SMTP_PARAM_OK, "A", "\xc3\xa4"},
    {"A=\xe4", true, SMTP_PARAM_BAD, NULL, NULL},
    {"\xc3\xa4=a", true, SMTP_PARAM_BAD, NULL, NULL},
    {"ORCPT=rfc822;a+2Bb@c", false, SMTP_PARAM_OK, "ORCPT", "rfc822;a+2Bb@c"},
};

static void
test_params(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(params); i++) {
		struct str rest = str_c(params[i].text);
		struct smtp_param p;
		enum smtp_param_status status = smtp_param_next(&rest, params[i].utf8, &p);

		if (status != params[i].status)
			fail_msg("\"%s\": %d", params[i].text, (int)status);
		if (status != SMTP_PARAM_OK)
			continue;
		assert_true(str_eq(p.key, str_c(params[i].key)));
		assert_int_equal(p.has_value, params[i].value != NULL);
		assert_true(str_eq(p.value, str_c(params[i].value)));
	}
}

static void
test_all_params(void **state)
{
	struct str rest = STR(" SIZE=1 BODY=8BITMIME\tRET=HDRS ");
	struct smtp_param p;

	(void)state;
	assert_int_equal(smtp_param_next(&rest, false, &p), SMTP_PARAM_OK);
	assert_int_equal(smtp_param_next(&rest, false, &p), SMTP_PARAM_OK);
	assert_true(str_eq(p.key, STR("BODY")));
	assert_int_equal(smtp_param_next(&rest, false, &p), SMTP_PARAM_OK);
	assert_true(str_eq(p.value, STR("HDRS")));
	assert_int_equal(smtp_param_next(&rest, false, &p), SMTP_PARAM_END);
	assert_int_equal(smtp_param_next(&rest, false, &p), SMTP_PARAM_END);
}

static const struct {
	const char *arg;
	bool ok;
	uint64_t size;
	bool last;
} bdats[] = {
    {"0", true, 0, false},
    {"1000", true, 1000, false},
    {"86 LAST", true, 86, true},
    {"0 last", true, 0, true},
    {"18446744073709551615", true, UINT64_MAX, false},
    {"18446744073709551616", false, 0, false},
    {"000000000000000000001", false, 0, false}, /* 21 digits */
    {"", false, 0, false},
    {"LAST", false, 0, false},
    {"-1", false, 0, false},
    {"1x", false, 0, false},
    {"0x10", false, 0, false},
    {"1 LAST x", false, 0, false},
    {"1 FIRST", false, 0, false},
};

static void
test_bdat(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bdats); i++) {
		struct smtp_bdat b;
		bool ok = smtp_bdat_parse(str_c(bdats[i].arg), &b);

		if (ok != bdats[i].ok)
			fail_msg("\"%s\"", bdats[i].arg);
		if (ok) {
			assert_true(b.size == bdats[i].size);
			assert_int_equal(b.last, bdats[i].last);
		}
	}
}

static const struct {
	int code;
	const char *dsn, *text, *reply;
} replies[] = {
    {250, "2.1.0", "Ok", "250 2.1.0 Ok\r\n"},
    {250, "", "mx.example.org", "250 mx.example.org\r\n"},
    {250, "", "mx\nSIZE\nDSN", "250-mx\r\n250-SIZE\r\n250 DSN\r\n"},
    {550, "5.1.1", "a\nb", "550-5.1.1 a\r\n550 5.1.1 b\r\n"},
    {250, "2.0.0", "", "250 2.0.0 \r\n"},
    {250, "", "a\n\nb\n", "250-a\r\n250-\r\n250 b\r\n"},
    {250, "", "a\r\nb\rc\x01\xc3\xa4\td",
	"250-a\r\n250 b?c???\x20"
	"d\r\n"},
    {99, "", "x", "451 x\r\n"},
    {600, "", "x", "451 x\r\n"},
};

static void
test_reply(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(replies); i++) {
		struct buf b = {0};

		smtp_reply(&b, replies[i].code, str_c(replies[i].dsn), str_c(replies[i].text));
		assert_string_equal(buf_cstr(&b), replies[i].reply);
		buf_free(&b);
	}
}

static const struct {
	const char *text;
	int code;
	const char *dsn, *reply;
} texts[] = {
    {"554 5.7.1 No", 550, "5.0.0", "554 5.7.1 No\r\n"},
    {"No", 550, "5.7.1", "550 5.7.1 No\r\n"},
    {"5.1.1 No", 450, "4.0.0", "450 4.1.1 No\r\n"},
    {"450 No", 550, "5.7.1", "450 4.7.1 No\r\n"},
    {"354 Go on", 250, "2.0.0", "354 Go on\r\n"},
    {"451 No", 550, "", "451 No\r\n"},
};

static void
test_reply_text(void **state)
{
	struct buf b = {0};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		buf_reset(&b);
		smtp_reply_text(&b, str_c(texts[i].text), texts[i].code, texts[i].dsn);
		assert_string_equal(buf_cstr(&b), texts[i].reply);
	}
	buf_reset(&b);
	smtp_replyf(&b, 250, "2.0.0", "queued as %s", "4abc");
	assert_string_equal(buf_cstr(&b), "250 2.0.0 queued as 4abc\r\n");
	buf_free(&b);
}

/* Long lines are continued; a line of exactly the limit is not. What is read back is what was written. */
static void
test_long_reply(void **state)
{
	(void)state;
	for (size_t length = 490; length < 530; length++) {
		struct buf text = {0}, b = {0};
		struct smtp_reply r = {0};
		size_t lines = 0;
		struct str rest, line;

		while (text.len < length)
			buf_putc(&text, 'x');
		smtp_reply(&b, 550, STR("5.1.1"), buf_view(&text));
		rest = buf_view(&b);
		while (rest.len > 0) {
			size_t lf = str_chr(rest, '\n');

			assert_true(lf != STR_NPOS && lf < SMTP_REPLY_LINE_MAX);
			line = str_sub(rest, 0, lf - 1);
			rest = str_from(rest, lf + 1);
			lines++;
			assert_int_equal(smtp_reply_line(&r, line),
			    rest.len > 0 ? SMTP_REPLY_MORE : SMTP_REPLY_DONE);
		}
		assert_int_equal(lines, length <= 512 - 12 ? 1 : 2);
		assert_int_equal(r.text.len, length + lines - 1);
		smtp_reply_free(&r);
		buf_free(&text);
		buf_free(&b);
	}
}

static void
test_many_lines(void **state)
{
	struct buf text = {0}, b = {0};
	struct smtp_reply r = {0};
	size_t lines = 0;

	(void)state;
	for (int i = 0; i < 1000; i++)
		buf_puts(&text, "word word word\n");
	smtp_reply(&b, 250, STR_EMPTY, buf_view(&text));
	for (size_t i = 0; i < b.len; i++)
		lines += b.data[i] == '\n';
	assert_int_equal(lines, SMTP_REPLY_LINES_MAX);
	assert_true(strstr(buf_cstr(&b), "250 word") != NULL);
	/* Reading: the limit's last line is taken, one more is not. */
	for (int i = 0; i < SMTP_REPLY_READ_MAX - 1; i++)
		assert_int_equal(smtp_reply_line(&r, STR("250-x")), SMTP_REPLY_MORE);
	assert_int_equal(smtp_reply_line(&r, STR("250-x")), SMTP_REPLY_MORE);
	assert_int_equal(smtp_reply_line(&r, STR("250 x")), SMTP_REPLY_BAD);
	smtp_reply_reset(&r);
	buf_reset(&text);
	while (text.len < 2 * SMTP_REPLY_TEXT_MAX)
		buf_puts(&text, "250 ");
	assert_int_equal(smtp_reply_line(&r, buf_view(&text)), SMTP_REPLY_DONE);
	assert_int_equal(r.text.len, SMTP_REPLY_TEXT_MAX);
	smtp_reply_free(&r);
	buf_free(&text);
	buf_free(&b);
}

static const struct {
	const char *lines[3];
	enum smtp_reply_status status; /* of the last line */
	const char *joined;
} reads[] = {
    {{"250 2.0.0 Ok"}, SMTP_REPLY_DONE, "250 2.0.0 Ok"},
    {{"250-a", "250-b", "250 c"}, SMTP_REPLY_DONE, "250 a b c"},
    {{"550-5.1.1 No", "550 5.1.1 such user"}, SMTP_REPLY_DONE, "550 5.1.1 No such user"},
    {{"250"}, SMTP_REPLY_DONE, "250"},
    {{"250 "}, SMTP_REPLY_DONE, "250"},
    {{"354 go"}, SMTP_REPLY_DONE, "354 go"},
    {{"550 4.1.1 mixed"}, SMTP_REPLY_DONE, "550 4.1.1 mixed"},
    {{"250 a\x01\xff"
      "b\tc"},
	SMTP_REPLY_DONE, "250 a??b c"},
    {{"250-a", "251 b"}, SMTP_REPLY_DONE, "251 a b"},
    {{"250-2.0.0 a", "450 4.2.0 b"}, SMTP_REPLY_DONE, "450 4.2.0 a b"},
    {{"25"}, SMTP_REPLY_BAD, NULL},
    {{""}, SMTP_REPLY_BAD, NULL},
    {{"2500 x"}, SMTP_REPLY_BAD, NULL},
    {{"250x"}, SMTP_REPLY_BAD, NULL},
    {{"150 x"}, SMTP_REPLY_BAD, NULL},
    {{"600 x"}, SMTP_REPLY_BAD, NULL},
    {{"HTTP/1.0 400"}, SMTP_REPLY_BAD, NULL},
};

static void
test_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(reads); i++) {
		enum smtp_reply_status status = SMTP_REPLY_BAD;
		struct smtp_reply r = {0};
		struct buf b = {0};

		for (size_t l = 0; l < 3 && reads[i].lines[l]; l++)
			status = smtp_reply_line(&r, str_c(reads[i].lines[l]));
		if (status != reads[i].status)
			fail_msg("\"%s\": %d", reads[i].lines[0], (int)status);
		if (reads[i].joined) {
			smtp_reply_join(&r, &b);
			assert_string_equal(buf_cstr(&b), reads[i].joined);
		}
		smtp_reply_free(&r);
		buf_free(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_split),
	    cmocka_unit_test(test_keyword),
	    cmocka_unit_test(test_clean),
	    cmocka_unit_test(test_params),
	    cmocka_unit_test(test_all_params),
	    cmocka_unit_test(test_bdat),
	    cmocka_unit_test(test_reply),
	    cmocka_unit_test(test_reply_text),
	    cmocka_unit_test(test_long_reply),
	    cmocka_unit_test(test_many_lines),
	    cmocka_unit_test(test_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
