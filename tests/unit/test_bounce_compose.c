/* test_bounce_compose - the text of delivery status notifications. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bounce/compose.h"
#include "lib/mail/utf8.h"

static struct msg_notice_rcpt rcpts[] = {
    {.address = STR("bob@example.org"),
	.orig = STR("Bob@example.org"),
	.orcpt = STR("rfc822;bob@relay.example"),
	.status = DELIVERY_BOUNCED,
	.action = STR("failed"),
	.dsn = STR("5.1.1"),
	.text = STR("unknown user: \"bob\""),
	.diagnostic = STR_EMPTY,
	.remote_mta = STR_EMPTY},
    {.address = STR("eve@example.org"),
	.orig = STR_EMPTY,
	.orcpt = STR_EMPTY,
	.status = DELIVERY_BOUNCED,
	.action = STR("failed"),
	.dsn = STR("4.2.2"),
	.text = STR("line one\r\nBcc: injected@example.org\r\n.\r\n\x01"),
	.diagnostic = STR("smtp; 452 full\nX-Evil: yes"),
	.remote_mta = STR("dns; mx.example.org")},
};

static struct msg_notice
sample(enum notice_kind kind)
{
	return (struct msg_notice){
	    .kind = kind,
	    .id = STR("4jXKcV6sGYz8"),
	    .sender = STR("alice@example.com"),
	    .envid = STR("QQ314159"),
	    .arrival_us = 1764000000000000,
	    .expire_at = 1764432000,
	    .size = 30,
	    .full_size = 30,
	    .rcpts = {rcpts, 2},
	};
}

static struct str
compose(struct msg_notice *n, struct buf *out, bool whole)
{
	struct compose c = {
	    .notice = n,
	    .original = STR("Subject: hi\r\n\r\nhello, world\r\n"),
	    .myhostname = STR("mx.example.net"),
	    .from = STR("MAILER-DAEMON@example.net"),
	    .to = n->sender,
	    .queue_id = STR("4jXKcV6sGYz9"),
	    .now = 1764000100,
	};

	n->full_size = whole ? c.original.len : 99999;
	compose_notice(&c, out);
	return buf_view(out);
}

#define HAS(text, part) assert_true(str_find((text), STR(part)) != STR_NPOS)
#define HAS_NOT(text, part) assert_true(str_find((text), STR(part)) == STR_NPOS)

static void
test_failure(void **state)
{
	struct msg_notice n = sample(NOTICE_FAILURE);
	struct buf out = {0};
	struct str t = compose(&n, &out, true);

	(void)state;
	HAS(t, "To: alice@example.com\r\n");
	HAS(t, "Auto-Submitted: auto-replied\r\n");
	HAS(t, "report-type=delivery-status;");
	HAS(t, "\r\nReporting-MTA: dns; mx.example.net\r\n");
	HAS(t, "\r\nOriginal-Envelope-Id: QQ314159\r\n");
	HAS(t, "\r\nFinal-Recipient: rfc822; bob@example.org\r\n");
	HAS(t, "\r\nOriginal-Recipient: rfc822; bob@relay.example\r\n");
	HAS(t, "\r\nAction: failed\r\nStatus: 5.1.1\r\n");
	HAS(t, "\r\nDiagnostic-Code: X-Postkeep; unknown user: \"bob\"\r\n");
	HAS(t, "<bob@example.org>:\r\n    unknown user: \"bob\"\r\n");
	/* A well-known reason is explained, an unknown one is not. */
	HAS(t,
	    "\"bob\"\r\n\r\n    What it means: The recipient's server knows no such address.\r\n");
	HAS(t, "\r\n    What helps: Compare the address with ");
	HAS(t, "Content-Type: message/rfc822\r\n");
	HAS(t, "\r\nSubject: hi\r\n\r\nhello, world\r\n");
	/* A failure's status is of class 5 even when the last reply was a 4. */
	HAS(t, "Status: 5.2.2\r\n");
	assert_true(str_ends_nocase(t, STR("--\r\n")));
	buf_free(&out);
}

/* What a stranger wrote cannot begin a line or a field. */
static void
test_injection(void **state)
{
	struct msg_notice n = sample(NOTICE_FAILURE);
	struct buf out = {0};
	struct str t = compose(&n, &out, true);

	(void)state;
	HAS_NOT(t, "\nBcc: injected");
	HAS_NOT(t, "\nX-Evil: yes");
	HAS_NOT(t, "\x01");
	HAS(t, "Diagnostic-Code: smtp; 452 full?X-Evil: yes\r\n");
	for (size_t i = 0; i < t.len; i++)
		if (t.data[i] == '\n')
			assert_true(i > 0 && t.data[i - 1] == '\r');
	buf_free(&out);
}

/* The explanation is the diagnostic's where the reason says nothing; it stands once for a row of
 * recipients with the same, and not with those who got the mail. */
static void
test_advice(void **state)
{
	struct msg_notice n = sample(NOTICE_FAILURE);
	struct msg_notice_rcpt was[2] = {rcpts[0], rcpts[1]};
	struct buf out = {0};
	struct str t;
	size_t first;

	(void)state;
	rcpts[0].text = rcpts[1].text = STR("refused");
	rcpts[0].dsn = rcpts[1].dsn = STR("5.0.0");
	rcpts[0].diagnostic = rcpts[1].diagnostic =
	    STR("smtp; 550 5.7.1 Unfortunately, messages weren't sent (S3150)");
	t = compose(&n, &out, true);
	first = str_find(t, STR("What it means: Microsoft blocks the address"));
	assert_true(first != STR_NPOS);
	assert_true(str_find(str_from(t, first + 1), STR("What it means:")) == STR_NPOS);
	buf_reset(&out);
	rcpts[0].status = rcpts[1].status = DELIVERY_SENT;
	HAS_NOT(compose(&n, &out, true), "What it means:");
	rcpts[0] = was[0];
	rcpts[1] = was[1];
	buf_free(&out);
}

/* A template of a file: its header and text, in its character set; postmasters get no words for senders. */
static void
test_template(void **state)
{
	static const struct notice_text own = {
	    "failure", "iso-8859-1", "Office (x)", "Back", "Back, copy", "", "Gr\374\337e, \1.\n"};
	struct msg_notice n = sample(NOTICE_FAILURE);
	struct compose c = {.notice = &n,
	    .original = STR("Subject: hi\r\n\r\n"),
	    .to = n.sender,
	    .from = STR("MAILER-DAEMON@example.net"),
	    .queue_id = STR("4jXKcV6sGYz9"),
	    .text = &own};
	struct str was = rcpts[0].text;
	struct buf out = {0};
	struct str t;

	(void)state;
	rcpts[0].text = STR("caf\303\251");
	for (int copy = 0; copy < 2; copy++) {
		c.postmaster = copy;
		buf_reset(&out);
		compose_notice(&c, &out);
		t = buf_view(&out);
		HAS(t, "From: Office@example.net (x)\r\n");
		HAS(t, "Content-Type: text/plain; charset=iso-8859-1\r\n");
		HAS(t, "caf??\r\n");
		HAS(t, "Diagnostic-Code: X-Postkeep; caf\303\251\r\n");
	}
	HAS(t, "Subject: Back, copy\r\n");
	HAS_NOT(t, "Gr\374\337e");
	HAS(t,
	    "to its postmaster.\r\n\r\nAbout message 4jXKcV6sGYz8 from <alice@example.com>:\r\n");
	c.postmaster = false;
	buf_reset(&out);
	compose_notice(&c, &out);
	HAS(buf_view(&out), "Subject: Back\r\n");
	HAS(buf_view(&out), "Gr\374\337e, ");
	HAS_NOT(buf_view(&out), "\1");
	rcpts[0].text = was;
	buf_free(&out);
}

static void
test_headers_only(void **state)
{
	struct msg_notice n = sample(NOTICE_FAILURE);
	struct buf out = {0};
	struct str t = compose(&n, &out, false);

	(void)state;
	HAS(t, "Content-Type: text/rfc822-headers\r\n");
	buf_free(&out);
}

static void
test_delay(void **state)
{
	struct msg_notice n = sample(NOTICE_DELAY);
	struct buf out = {0};
	struct str t;

	(void)state;
	rcpts[0].action = STR("delayed");
	t = compose(&n, &out, false);
	rcpts[0].action = STR("failed");
	HAS(t, "Action: delayed\r\nStatus: 4.1.1\r\n");
	HAS(t, "Will-Retry-Until: ");
	HAS(t, "only a warning");
	buf_free(&out);
}

static void
test_utf8(void **state)
{
	struct msg_notice n = sample(NOTICE_FAILURE);
	struct str was = rcpts[0].address;
	struct buf out = {0};
	struct str t;

	(void)state;
	rcpts[0].address = STR("b\303\266b@example.org");
	t = compose(&n, &out, true);
	rcpts[0].address = was;
	HAS(t, "message/global-delivery-status");
	HAS(t,
	    "Final-Recipient: utf-8; b\xc3\xb6"
	    "b@example.org\r\n");
	HAS(t, "Content-Type: message/global\r\n");
	buf_free(&out);
}

/* Nothing a stranger can say makes a line longer than mail allows, or the notice grow without bound. */
static void
test_bounds(void **state)
{
	char huge[MSG_TEXT_MAX];
	struct msg_notice n = sample(NOTICE_FAILURE);
	struct str was = rcpts[1].diagnostic, text_was = rcpts[1].text;
	struct str address_was = rcpts[1].address;
	struct buf out = {0};
	struct str t;
	size_t line = 0;

	(void)state;
	memset(huge, 'x', sizeof(huge));
	rcpts[1].diagnostic = rcpts[1].text = str_n(huge, sizeof(huge));
	rcpts[1].address = rcpts[1].orig = n.sender = str_n(huge, MSG_ADDRESS_MAX);
	rcpts[1].orig.len--;
	t = compose(&n, &out, true);
	rcpts[1].diagnostic = was;
	rcpts[1].text = text_was;
	rcpts[1].address = address_was;
	rcpts[1].orig = STR_EMPTY;
	for (size_t i = 0; i < t.len; i++) {
		line = t.data[i] == '\n' ? 0 : line + 1;
		assert_true(line <= 998);
	}
	buf_free(&out);
}

/* Wherever bytes above 127 come from, the header and the part they stand in announce them. */
static void
test_8bit_announced(void **state)
{
	static const struct str what = {"\xc3\xbc@example.org", 14};
	struct str *const places[] = {
	    &rcpts[0].orig, &rcpts[0].text, &rcpts[0].diagnostic, &rcpts[0].remote_mta};

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct msg_notice n = sample(NOTICE_FAILURE);
		struct str was = *places[i], t;
		struct buf out = {0};
		size_t header, part;

		*places[i] = what;
		t = compose(&n, &out, true);
		*places[i] = was;
		header = str_find(t, STR("\r\n\r\n"));
		HAS(str_sub(t, 0, header + 2), "\r\nContent-Transfer-Encoding: 8bit\r\n");
		t = str_sub(t, 0, str_find(t, what));
		part = str_find(str_from(t, header + 4), STR("\r\n--")) + header + 4;
		for (size_t next;
		     (next = str_find(str_from(t, part + 4), STR("\r\n--"))) != STR_NPOS;)
			part += next + 4;
		HAS(str_from(t, part), "\r\nContent-Transfer-Encoding: 8bit\r\n\r\n");
		buf_free(&out);
	}
}

/* A word that is cut is cut between characters. */
static void
test_long_word(void **state)
{
	char word[MSG_TEXT_MAX];
	struct msg_notice n = sample(NOTICE_FAILURE);
	struct str was = rcpts[0].text;
	struct buf out = {0};

	(void)state;
	for (size_t i = 1; i + 1 < sizeof(word); i += 2)
		memcpy(word + i, "\xc3\xbc", 2);
	word[0] = 'x';
	rcpts[0].text = str_n(word, sizeof(word) - 1);
	assert_true(utf8_valid(compose(&n, &out, true)));
	rcpts[0].text = was;
	buf_free(&out);
}

/* What a probe could not find out for the moment is no refusal, though nothing is tried again. */
static void
test_probe(void **state)
{
	struct msg_notice n = sample(NOTICE_VERIFY);
	struct str was = rcpts[1].action;
	struct buf out = {0};
	struct str t;

	(void)state;
	rcpts[1].action = STR("undeliverable");
	t = compose(&n, &out, false);
	HAS(t, "\r\nAction: failed\r\nStatus: 4.2.2\r\n");
	rcpts[1].action = was;
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_failure),
	    cmocka_unit_test(test_template),
	    cmocka_unit_test(test_injection),
	    cmocka_unit_test(test_advice),
	    cmocka_unit_test(test_headers_only),
	    cmocka_unit_test(test_delay),
	    cmocka_unit_test(test_utf8),
	    cmocka_unit_test(test_bounds),
	    cmocka_unit_test(test_8bit_announced),
	    cmocka_unit_test(test_long_word),
	    cmocka_unit_test(test_probe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
