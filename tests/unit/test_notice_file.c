/* test_notice_file - templates of notices from a file: what is taken, and which line is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/mail/notice_file.h"

static struct conf *
conf(void)
{
	struct conf_problems problems = {0};
	struct conf *c = conf_load_text("/nonexistent",
	    STR("myhostname = mx.example.org\nmaximal_queue_lifetime = 3d\ndelay_warning_time = "
		"90m\n"
		"help_page = https://help.example/$mydomain\n"),
	    NULL, 0, &problems);

	conf_problems_free(&problems);
	return c;
}

static void
test_good(void **state)
{
	static const char text[] =
	    "# comment\n\n   \n"
	    "failure_template = <<EOF\n"
	    "charset: utf-8\r\n"
	    "From: Post Office <office>\n"
	    "SUBJECT:   It came back  \n"
	    "Postmaster-Subject: It came back, p.s.\n"
	    "\n"
	    "  This is $myhostname, $(mail_name). \\ stays.\n"
	    "See ${help_page}; $$ and ${nothing?no}${nothing:yes}.\n"
	    "EOF \n"
	    "J\xc3\xb6rg\n"
	    "EOF\n"
	    "delay_template=<<  END\n"
	    "\n"
	    "After $delay_warning_time_minutes min ($delay_warning_time_hours h), until\n"
	    "$will_retry_until: ${maximal_queue_lifetime_days} d = "
	    "$(maximal_queue_lifetime_seconds) s,\n"
	    "${maximal_queue_lifetime_weeks} weeks, $delay_warning_time.\n"
	    "END";
	struct notice_text t[NOTICE_KINDS];
	struct notice_file_error error = {0};
	struct arena *a = arena_new(0);
	struct conf *c = conf();

	(void)state;
	if (!notice_file_parse(str_c(text), c, a, t, &error))
		fail_msg("line %zu: %s", error.line, buf_cstr(&error.why));
	assert_string_equal(t[NOTICE_FAILURE].charset, "utf-8");
	assert_string_equal(t[NOTICE_FAILURE].from, "Post Office <office>");
	assert_string_equal(t[NOTICE_FAILURE].subject, "It came back");
	assert_string_equal(t[NOTICE_FAILURE].postmaster_subject, "It came back, p.s.");
	assert_string_equal(t[NOTICE_FAILURE].ready,
	    "  This is mx.example.org, Postkeep. \\ stays.\n"
	    "See https://help.example/example.org; $ and yes.\n"
	    "EOF \nJ\xc3\xb6rg\n");
	assert_string_equal(t[NOTICE_DELAY].ready,
	    "After 90 min (1 h), until\n\1: 3 d = 259200 s,\n0 weeks, 90m.\n");
	/* What is not given is as built in. */
	assert_string_equal(t[NOTICE_DELAY].subject, notice_text(NOTICE_DELAY)->subject);
	assert_ptr_equal(t[NOTICE_SUCCESS].body, notice_text(NOTICE_SUCCESS)->body);
	assert_null(t[NOTICE_SUCCESS].ready);
	buf_free(&error.why);
	arena_free(&a);
	conf_free(&c);
}

static const struct {
	const char *text;
	size_t line;
	const char *why;
} bad[] = {
    {"x\n", 1, "not NAME_template = <<WORD: \"x\""},
    {"\n\nfailure_template = EOF\n", 3, "not NAME_template = <<WORD"},
    {"failure_template = <<\n", 1, "a word without quotes"},
    {"failure_template = <<'EOF'\n", 1, "a word without quotes"},
    {"fail_template = <<EOF\n", 1, "no such template: \"fail_template\""},
    {"failure_templates = <<EOF\n", 1, "no such template"},
    {"failure_template = <<EOF\nSubject: x\n\ny\n", 1, "no line \"EOF\" ends this template"},
    {"failure_template = <<EOF\nhello\n\nEOF\n", 2, "not Charset, From"},
    {"failure_template = <<EOF\nSubject: x\n  y\n\nEOF\n", 3, "not Charset, From"},
    {"failure_template = <<EOF\nTo: x\n\nEOF\n", 2, "not Charset, From"},
    {"failure_template = <<EOF\nSubject:\n\nEOF\n", 2, "empty or too long"},
    {"failure_template = <<EOF\nSubject: $myhostname\n\nEOF\n", 2, "no $name"},
    {"failure_template = <<EOF\nSubject: \xc3\xb6\n\nEOF\n", 2, "only ASCII"},
    {"failure_template = <<EOF\n\nJ\xc3\xb6rg\nEOF\n", 4, "say which Charset:"},
    {"failure_template = <<EOF\nCharset: utf-8\"; x\n\nx\nEOF\n", 5, "a bad name"},
    {"failure_template = <<EOF\n\nx\001\nEOF\n", 3, "control characters"},
    {"failure_template = <<EOF\n\n${x\nEOF\n", 4, ""},
    {"failure_template = <<EOF\n\nEOF\nfailure_template = <<EOF\n\nEOF\n", 4, "there twice"},
};

static void
test_bad(void **state)
{
	struct conf *c = conf();

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct notice_text t[NOTICE_KINDS];
		struct notice_file_error error = {0};
		struct arena *a = arena_new(0);

		assert_false(notice_file_parse(str_c(bad[i].text), c, a, t, &error));
		if (error.line != bad[i].line || !strstr(buf_cstr(&error.why), bad[i].why))
			fail_msg("%s: line %zu: %s", bad[i].text, error.line, buf_cstr(&error.why));
		assert_ptr_equal(t[NOTICE_FAILURE].body, notice_text(NOTICE_FAILURE)->body);
		buf_free(&error.why);
		arena_free(&a);
	}
	conf_free(&c);
}

/* A line of 990 bytes is mail still, one more is not; also when parameters make it so long. */
static void
test_long_lines(void **state)
{
	struct conf *c = conf();

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct notice_text t[NOTICE_KINDS];
		struct notice_file_error error = {0};
		struct arena *a = arena_new(0);
		struct buf text = {0};
		const char *value = i < 2 ? "" : "${myhostname}"; /* 14 bytes */
		size_t len = (i < 2 ? 990 : 976) + i % 2;

		buf_puts(&text, "failure_template = <<EOF\n\n");
		buf_puts(&text, value);
		while (len-- > 0)
			buf_putc(&text, 'x');
		buf_puts(&text, "\nEOF\n");
		assert_int_equal(notice_file_parse(buf_view(&text), c, a, t, &error), i % 2 == 0);
		buf_free(&text);
		buf_free(&error.why);
		arena_free(&a);
	}
	conf_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_bad),
	    cmocka_unit_test(test_long_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
