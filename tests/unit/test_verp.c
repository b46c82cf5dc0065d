/* test_verp - variable envelope return paths: delimiters, and senders made for recipients. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/mail/verp.h"

static const struct {
	const char *delimiters, *filter;
	bool ok;
} delimiters[] = {
    {"+=", "-=+", true},
    {"--", "-=+", true},
    {"+=", "", true},
    {"#~", "", true},
    {"#=", "-=+", false},
    {"", "", false},
    {"+", "", false},
    {"+=+", "", false},
    {"@=", "", false},
    {"+\"", "", false},
    {". ", "", false},
    {"ab", "", false},
    {"+<", "+<", false},
    {"+\n", "", false},
};

static const struct {
	const char *sender, *recipient, *made;
} senders[] = {
    {"list@example.org", "bob@example.com", "list+bob=example.com@example.org"},
    {"list-owner@example.org", "bob", "list-owner+bob@example.org"},
    {"\"my list\"@example.org", "bob@example.com", "\"my list+bob=example.com\"@example.org"},
    {"list@example.org", "\"b b\"@example.com", "\"list+b b=example.com\"@example.org"},
    {"list@example.org", "\"a@b\"@example.com", "\"list+a@b=example.com\"@example.org"},
    {"list@example.org", "b\xc3\xb6@example.com", "list+b\xc3\xb6=example.com@example.org"},
    /* Nothing to make one from. */
    {"", "bob@example.com", ""},
    {"list", "bob@example.com", "list"},
    {"list@example.org", "", "list@example.org"},
    {"list@example.org", "not an address", "list@example.org"},
    {"list@example.org", "b23456789012345678901234567890@example.com", "list@example.org"},
    {"list@example.org", "b2345678901234567890123456789@example.com",
	"list+b2345678901234567890123456789=example.com@example.org"},
};

static void
test_delimiters(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(delimiters) / sizeof(delimiters[0]); i++)
		if (verp_delimiters_ok(str_c(delimiters[i].delimiters),
			str_c(delimiters[i].filter)) != delimiters[i].ok)
			fail_msg("%s of %s", delimiters[i].delimiters, delimiters[i].filter);
}

static void
test_senders(void **state)
{
	struct buf out = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(senders) / sizeof(senders[0]); i++) {
		buf_reset(&out);
		verp_sender(
		    str_c(senders[i].sender), str_c(senders[i].recipient), STR("+="), 58, &out);
		assert_string_equal(buf_cstr(&out), senders[i].made);
	}
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_delimiters),
	    cmocka_unit_test(test_senders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
