/*
 * test_saslprep - login names and passwords in one form: the vectors of RFC 4013 and what else it demands
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/sasl/sasl_private.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
	const char *in, *out; /* or "!why" */
} cases[] = {
    /* RFC 4013 section 3 */
    {"I\xc2\xadX", "IX"},
    {"user", "user"},
    {"USER", "USER"},
    {"\xc2\xaa", "a"},
    {"\xe2\x85\xa8", "IX"},
    {"\007", "!prohibits"},
    {"\xc2\xaa\007", "!prohibits"},
    {"\xd8\xa7"
     "1",
	"!right to left"},
    /* 2.1: other spaces than U+0020; 2.2: composed form */
    {"a\xc2\xa0"
     "b\xe3\x80\x80"
     "c",
	"a b c"},
    {"a\xcc\x88", "\xc3\xa4"},
    {"\xc3\xa4", "\xc3\xa4"},
    {"\xef\xb7\xba", /* what grows most */
	"\xd8\xb5\xd9\x84\xd9\x89 \xd8\xa7\xd9\x84\xd9\x84\xd9\x87 "
	"\xd8\xb9\xd9\x84\xd9\x8a\xd9\x87 "
	"\xd9\x88\xd8\xb3\xd9\x84\xd9\x85"},
    /* 2.3: a control, private use, not a character, a tag */
    {"\xc2\x80", "!prohibits"},
    {"\xee\x80\x80", "!prohibits"},
    {"\xef\xbf\xbe", "!prohibits"},
    {"\xf3\xa0\x80\xa1", "!prohibits"},
    {"\xd8\xa7"
     "1"
     "\xd8\xa8",
	"\xd8\xa7"
	"1"
	"\xd8\xa8"},
    {"\xd8\xa7"
     "a"
     "\xd8\xa8",
	"!right to left"},
    /* 2.5: U+0221 and U+1F600 were not assigned in Unicode 3.2 */
    {"\xc8\xa1", "\xc8\xa1"},
    {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
    /* nothing is left; not UTF-8, a surrogate, too long a form */
    {"\xc2\xad", "!empty"},
    {"\xe4", "!not in UTF-8"},
    {"\xed\xa0\x80", "!not in UTF-8"},
    {"\xc0\xaf", "!not in UTF-8"},
};

static void
test_saslprep(void **state)
{
	struct buf out = {0}, why = {0};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		bool ok = saslprep(str_c(cases[i].in), "password", &out, &why);

		assert_int_equal(ok, *cases[i].out != '!');
		if (ok)
			assert_string_equal(buf_cstr(&out), cases[i].out);
		else
			assert_non_null(strstr(buf_cstr(&why), cases[i].out + 1));
		assert_int_equal(why.len > 0, !ok);
		buf_reset(&why);
	}
	buf_wipe(&out);
	buf_free(&why);
}

/* The longest, of what grows most; and one more character. */
static void
test_saslprep_long(void **state)
{
	struct buf in = {0}, out = {0}, why = {0};

	(void)state;
	while (in.len + 3 <= 1024)
		buf_puts(&in, "\xef\xb7\xba");
	assert_true(saslprep(buf_view(&in), "password", &out, &why));
	assert_int_equal(out.len, in.len * 11);
	buf_puts(&in, "\xef\xb7\xba");
	assert_false(saslprep(buf_view(&in), "password", &out, &why));
	assert_string_equal(buf_cstr(&why), "the password is too long");
	buf_reset(&in);
	while (in.len < 5000)
		buf_putc(&in, 'x');
	assert_true(saslprep(buf_view(&in), "password", &out, &why));
	assert_int_equal(out.len, 5000);
	buf_free(&in);
	buf_wipe(&out);
	buf_free(&why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_saslprep),
	    cmocka_unit_test(test_saslprep_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
