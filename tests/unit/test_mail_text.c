/*
 * test_mail_text - UTF-8, dates, status codes, xtext, DSN values, trace headers, line ends, MIME labels
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/mail/date.h"
#include "lib/mail/dsn.h"
#include "lib/mail/eight_bits.h"
#include "lib/mail/lines.h"
#include "lib/mail/mime.h"
#include "lib/mail/received.h"
#include "lib/mail/utf8.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
	const char *text;
	bool valid;
} utf8_cases[] = {
    {"", true},
    {"abc", true},
    {"\xc3\xa4", true},
    {"\xe2\x82\xac", true},
    {"\xf0\x9f\x98\x80", true},
    {"\xf4\x8f\xbf\xbf", true},
    {"\xed\x9f\xbf", true},
    {"\xee\x80\x80", true},
    {"\x80", false},
    {"\xc3", false},
    {"\xc3z", false},
    {"\xc0\xaf", false}, /* long form of / */
    {"\xc1\xbf", false},
    {"\xe0\x80\xaf", false},
    {"\xe0\x9f\xbf", false},
    {"\xf0\x8f\xbf\xbf", false},
    {"\xed\xa0\x80", false},     /* surrogate */
    {"\xf4\x90\x80\x80", false}, /* above U+10FFFF */
    {"\xf5\x80\x80\x80", false},
    {"\xe2\x82", false},
    {"\xf0\x9f\x98", false},
    {"\xff", false},
};

static void
test_utf8(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(utf8_cases); i++)
		if (utf8_valid(str_c(utf8_cases[i].text)) != utf8_cases[i].valid)
			fail_msg("case %zu", i);
	/* A single high byte at each place of texts of each length. */
	for (size_t len = 0; len < 40; len++)
		for (size_t at = 0; at <= len; at++) {
			char text[40] = {0};

			if (at < len)
				text[at] = '\x80';
			assert_int_equal(utf8_8bit(str_n(text, len)), at < len);
		}
	assert_false(utf8_8bit(STR("a\x7f")));
}

static const struct {
	const char *zone;
	time_t time;
	const char *date, *ctime;
} dates[] = {
    {"UTC0", 1795327662, "Sun, 22 Nov 2026 06:07:42 +0000 (UTC)", "Sun Nov 22 06:07:42 2026"},
    {"UTC0", 0, "Thu, 1 Jan 1970 00:00:00 +0000 (UTC)", "Thu Jan  1 00:00:00 1970"},
    {"UTC0", 951782400, "Tue, 29 Feb 2000 00:00:00 +0000 (UTC)", "Tue Feb 29 00:00:00 2000"},
    {"UTC0", 1709164800, "Thu, 29 Feb 2024 00:00:00 +0000 (UTC)", "Thu Feb 29 00:00:00 2024"},
    {"UTC0", 4107542399, "Sun, 28 Feb 2100 23:59:59 +0000 (UTC)", "Sun Feb 28 23:59:59 2100"},
    {"UTC0", 4107542400, "Mon, 1 Mar 2100 00:00:00 +0000 (UTC)", "Mon Mar  1 00:00:00 2100"},
    /* the two hours around a change of CET and CEST */
    {"CET-1CEST,M3.5.0,M10.5.0/3", 1774745999, "Sun, 29 Mar 2026 01:59:59 +0100 (CET)",
	"Sun Mar 29 01:59:59 2026"},
    {"CET-1CEST,M3.5.0,M10.5.0/3", 1774746000, "Sun, 29 Mar 2026 03:00:00 +0200 (CEST)",
	"Sun Mar 29 03:00:00 2026"},
    {"EST5", 1795327662, "Sun, 22 Nov 2026 01:07:42 -0500 (EST)", "Sun Nov 22 01:07:42 2026"},
    {"NST3:30", 1795327662, "Sun, 22 Nov 2026 02:37:42 -0330 (NST)", "Sun Nov 22 02:37:42 2026"},
    {"ABC0:30", 1795327662, "Sun, 22 Nov 2026 05:37:42 -0030 (ABC)", "Sun Nov 22 05:37:42 2026"},
    {"<+0545>-5:45", 1795327662, "Sun, 22 Nov 2026 11:52:42 +0545 (+0545)",
	"Sun Nov 22 11:52:42 2026"},
};

static void
test_dates(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(dates); i++) {
		char text[MAIL_DATE_SIZE];

		setenv("TZ", dates[i].zone, 1);
		tzset();
		mail_date(dates[i].time, text);
		assert_string_equal(text, dates[i].date);
		mail_date_ctime(dates[i].time, text);
		assert_string_equal(text, dates[i].ctime);
	}
	setenv("TZ", "UTC0", 1);
	tzset();
}

static void
test_date_tm(void **state)
{
	/* A leap second; then zones that are no plain word, and none. */
	struct tm tm = {.tm_sec = 60,
	    .tm_min = 59,
	    .tm_hour = 23,
	    .tm_mday = 31,
	    .tm_mon = 11,
	    .tm_year = 116,
	    .tm_wday = 6,
	    .tm_gmtoff = 0,
	    .tm_zone = "UTC"};
	char text[MAIL_DATE_SIZE];

	(void)state;
	mail_date_tm(&tm, text);
	assert_string_equal(text, "Sat, 31 Dec 2016 23:59:60 +0000 (UTC)");
	tm.tm_zone = "a)\r\nX: y";
	mail_date_tm(&tm, text);
	assert_string_equal(text, "Sat, 31 Dec 2016 23:59:60 +0000");
	tm.tm_zone = "ABCDEFGHIJKLM";
	mail_date_tm(&tm, text);
	assert_string_equal(text, "Sat, 31 Dec 2016 23:59:60 +0000");
	tm.tm_zone = NULL;
	mail_date_tm(&tm, text);
	assert_string_equal(text, "Sat, 31 Dec 2016 23:59:60 +0000");
	/* A time that no calendar holds. */
	mail_date(INT64_MAX, text);
	assert_string_equal(text, "Thu, 1 Jan 1970 00:00:00 +0000 (GMT)");
}

static void
test_message_id(void **state)
{
	struct buf b = {0};

	(void)state;
	mail_message_id(1795327662, STR("4abcXYZ"), STR("mail.example.org"), &b);
	assert_string_equal(buf_cstr(&b), "<20261122060742.4abcXYZ@mail.example.org>");
	buf_free(&b);
}

static const struct {
	const char *text;
	bool ok;
	const char *code, *rest;
} dsns[] = {
    {"5.1.1", true, "5.1.1", ""},
    {"5.1.1 User unknown", true, "5.1.1", "User unknown"},
    {"2.0.0  Ok", true, "2.0.0", "Ok"},
    {"4.999.999 x", true, "4.999.999", "x"},
    {"4.1000.1 x", false, NULL, NULL},
    {"4.1.1000", false, NULL, NULL},
    {"3.1.1", false, NULL, NULL},
    {"1.1.1", false, NULL, NULL},
    {"5.01.1", false, NULL, NULL},
    {"5.0.0", true, "5.0.0", ""},
    {"5.1", false, NULL, NULL},
    {"5.1.", false, NULL, NULL},
    {"5..1", false, NULL, NULL},
    {"5.1.1.", false, NULL, NULL},
    {"5.1.1x", false, NULL, NULL},
    {"5.1.1:", false, NULL, NULL},
    {" 5.1.1", false, NULL, NULL},
    {"", false, NULL, NULL},
};

static void
test_dsn(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(dsns); i++) {
		struct dsn dsn = {0};
		struct str rest = STR_EMPTY;
		char text[DSN_TEXT_SIZE];
		bool ok = dsn_parse(str_c(dsns[i].text), &dsn, &rest);

		if (ok != dsns[i].ok)
			fail_msg("\"%s\": %d", dsns[i].text, ok);
		assert_int_equal(dsn_valid(str_c(dsns[i].text)), ok && !strchr(dsns[i].text, ' '));
		if (!ok)
			continue;
		dsn_text(&dsn, text);
		assert_string_equal(text, dsns[i].code);
		assert_true(str_eq(rest, str_c(dsns[i].rest)));
	}
}

static const struct {
	const char *text;
	int code;
	const char *dsn, *rest;
} splits[] = {
    {"554 5.7.1 No", 554, "5.7.1", "No"},
    {"450 Later", 450, "0.0.0", "Later"},
    {"5.1.1 Unknown", 0, "5.1.1", "Unknown"},
    {"Nothing", 0, "0.0.0", "Nothing"},
    {"451 5.7.1 Mixed", 451, "4.7.1", "Mixed"}, /* the reply code is what a client believes */
    {"550", 550, "0.0.0", ""},
    {"5500 x", 0, "0.0.0", "5500 x"},
    {"150 x", 0, "0.0.0", "150 x"},
    {"  250 2.0.0 Ok \r\n", 250, "2.0.0", "Ok"},
    {"", 0, "0.0.0", ""},
};

static void
test_dsn_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(splits); i++) {
		struct dsn_split split;
		char text[DSN_TEXT_SIZE];

		dsn_split(str_c(splits[i].text), &split);
		dsn_text(&split.dsn, text);
		assert_int_equal(split.code, splits[i].code);
		assert_string_equal(text, splits[i].dsn);
		assert_true(str_eq(split.text, str_c(splits[i].rest)));
	}
}

static const struct {
	const char *xtext, *text; /* NULL: not xtext */
} xtexts[] = {
    {"", ""},
    {"abc", "abc"},
    {"a+2Bb+3Dc", "a+b=c"},
    {"a+20b", "a b"},
    {"a+2bb", "a+b"}, /* lower case is let pass */
    {"+C3+A4", "\xc3\xa4"},
    {"a+2", NULL},
    {"a+", NULL},
    {"+ZZ", NULL},
    {"a=b", NULL},
    {"a b", NULL},
    {"a\x7f", NULL},
    {"\xc3\xa4", NULL},
};

static void
test_xtext(void **state)
{
	struct buf b = {0}, again = {0};

	(void)state;
	for (size_t i = 0; i < COUNT(xtexts); i++) {
		bool ok;

		buf_reset(&b);
		buf_puts(&b, "x");
		ok = dsn_xtext_decode(str_c(xtexts[i].xtext), &b);
		if (ok != (xtexts[i].text != NULL))
			fail_msg("\"%s\": %d", xtexts[i].xtext, ok);
		assert_string_equal(buf_cstr(&b) + 1, ok ? xtexts[i].text : "");
	}
	/* Every byte there and back. */
	for (int c = 0; c < 256; c++) {
		char byte = (char)c;

		buf_reset(&b);
		buf_reset(&again);
		dsn_xtext_encode(str_n(&byte, 1), &b);
		assert_true(dsn_xtext_decode(buf_view(&b), &again));
		assert_true(again.len == 1 && again.data[0] == byte);
	}
	buf_free(&b);
	buf_free(&again);
}

static const struct {
	const char *text;
	unsigned notify; /* 0: refused */
	const char *written;
} notifies[] = {
    {"NEVER", DSN_NOTIFY_NEVER, "NEVER"},
    {"success", DSN_NOTIFY_SUCCESS, "SUCCESS"},
    {"FAILURE,DELAY", DSN_NOTIFY_FAILURE | DSN_NOTIFY_DELAY, "FAILURE,DELAY"},
    {"DELAY,SUCCESS,FAILURE", 14, "SUCCESS,FAILURE,DELAY"},
    {"DELAY,DELAY", DSN_NOTIFY_DELAY, "DELAY"},
    {"NEVER,DELAY", 0, NULL},
    {"", 0, NULL},
    {",", 0, NULL},
    {"DELAY,", 0, NULL},
    {"DELAY, FAILURE", 0, NULL},
    {"ALWAYS", 0, NULL},
};

static void
test_notify(void **state)
{
	enum dsn_ret ret = DSN_RET_NONE;

	(void)state;
	for (size_t i = 0; i < COUNT(notifies); i++) {
		struct buf b = {0};
		unsigned notify = 0;
		bool ok = dsn_notify_parse(str_c(notifies[i].text), &notify);

		assert_int_equal(ok, notifies[i].notify != 0);
		assert_int_equal(notify, notifies[i].notify);
		if (ok) {
			dsn_notify_write(notify, &b);
			assert_string_equal(buf_cstr(&b), notifies[i].written);
		}
		buf_free(&b);
	}
	assert_true(dsn_ret_parse(STR("full"), &ret) && ret == DSN_RET_FULL);
	assert_true(dsn_ret_parse(STR("HDRS"), &ret) && ret == DSN_RET_HDRS);
	assert_false(dsn_ret_parse(STR(""), &ret));
	assert_false(dsn_ret_parse(STR("FULLY"), &ret));
}

static const struct {
	const char *text;
	bool utf8;
	const char *decoded, *encoded; /* NULL: refused; what goes out where UTF-8 may not */
} orcpts[] = {
    {"rfc822;user@example.org", false, "rfc822;user@example.org", "rfc822;user@example.org"},
    {"rfc822;user+2Btag@example.org", false, "rfc822;user+tag@example.org",
	"rfc822;user+2Btag@example.org"},
    {"X-local;a+20b", false, "X-local;a b", "X-local;a+20b"},
    {"utf-8;k\\x{E4}the@example.org", false, "utf-8;k\xc3\xa4the@example.org",
	"utf-8;k\\x{E4}the@example.org"},
    {"utf-8;\\x{1F600}@\\x{2B}", false, "utf-8;\xf0\x9f\x98\x80@+", "utf-8;\\x{1F600}@\\x{2B}"},
    {"utf-8;k\xc3\xa4the", true, "utf-8;k\xc3\xa4the", "utf-8;k\\x{E4}the"},
    {"utf-8;k\xc3\xa4the", false, NULL, NULL},
    {"utf-8;\\x{D800}", false, NULL, NULL},
    {"utf-8;\\x{110000}", false, NULL, NULL},
    {"utf-8;\\x{A}", false, NULL, NULL},
    {"utf-8;\\x{}", false, NULL, NULL},
    {"utf-8;\\x{41", false, NULL, NULL},
    {"utf-8;\\x41", false, NULL, NULL},
    {"utf-8;a+2B", false, NULL, NULL},
    {"rfc822;a+0Ab", false, NULL, NULL},
    {"rfc822;+C3+A4", false, NULL, NULL},
    {"rfc822;+00", false, NULL, NULL},
    {"rfc822;", false, NULL, NULL},
    {"rfc822", false, NULL, NULL},
    {";x", false, NULL, NULL},
    {"rfc 822;x", false, NULL, NULL},
};

static void
test_orcpt(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(orcpts); i++) {
		struct buf b = {0}, e = {0};
		bool ok = dsn_orcpt_parse(str_c(orcpts[i].text), orcpts[i].utf8, &b);

		if (ok != (orcpts[i].decoded != NULL))
			fail_msg("\"%s\": %d", orcpts[i].text, ok);
		assert_string_equal(buf_cstr(&b), ok ? orcpts[i].decoded : "");
		if (ok) {
			dsn_orcpt_encode(buf_view(&b), false, &e);
			assert_string_equal(buf_cstr(&e), orcpts[i].encoded);
		}
		buf_free(&b);
		buf_free(&e);
	}
}

/* The limits of ENVID and ORCPT: just below and just above. */
static void
test_dsn_limits(void **state)
{
	struct buf text = {0}, out = {0};

	(void)state;
	while (text.len < DSN_ENVID_MAX)
		buf_putc(&text, 'x');
	assert_true(dsn_envid_parse(buf_view(&text), &out));
	assert_int_equal(out.len, DSN_ENVID_MAX);
	buf_putc(&text, 'x');
	assert_false(dsn_envid_parse(buf_view(&text), &out));
	assert_false(dsn_envid_parse(STR(""), &out));
	assert_false(dsn_envid_parse(STR("a+0Ab"), &out));
	assert_false(dsn_envid_parse(STR("+C3+A4"), &out));
	buf_reset(&text);
	buf_puts(&text, "rfc822;");
	while (text.len < DSN_ORCPT_MAX)
		buf_putc(&text, 'x');
	buf_reset(&out);
	assert_true(dsn_orcpt_parse(buf_view(&text), false, &out));
	assert_int_equal(out.len, DSN_ORCPT_MAX);
	buf_putc(&text, 'x');
	assert_false(dsn_orcpt_parse(buf_view(&text), false, &out));
	buf_free(&text);
	buf_free(&out);
}

static void
test_with(void **state)
{
	(void)state;
	assert_string_equal(received_with(0), "SMTP");
	assert_string_equal(received_with(RECEIVED_ESMTP), "ESMTP");
	assert_string_equal(received_with(RECEIVED_ESMTP | RECEIVED_TLS), "ESMTPS");
	assert_string_equal(received_with(RECEIVED_ESMTP | RECEIVED_AUTH), "ESMTPA");
	assert_string_equal(
	    received_with(RECEIVED_ESMTP | RECEIVED_TLS | RECEIVED_AUTH), "ESMTPSA");
	assert_string_equal(received_with(RECEIVED_LMTP | RECEIVED_TLS), "LMTPS");
	assert_string_equal(received_with(RECEIVED_ESMTP | RECEIVED_UTF8), "UTF8SMTP");
	assert_string_equal(
	    received_with(RECEIVED_ESMTP | RECEIVED_UTF8 | RECEIVED_TLS | RECEIVED_AUTH),
	    "UTF8SMTPSA");
	assert_string_equal(received_with(RECEIVED_LMTP | RECEIVED_UTF8), "UTF8LMTP");
}

static struct received
sample(void)
{
	return (struct received){.myhostname = STR("mx.example.org"),
	    .mail_name = STR("Postkeep"),
	    .queue_id = STR("4abc"),
	    .helo = STR("client.example"),
	    .name = STR("unknown"),
	    .address = STR("192.0.2.7"),
	    .with = STR("ESMTP"),
	    .tls = STR_EMPTY,
	    .login = STR_EMPTY,
	    .recipient = STR("user@example.org")};
}

static void
check_received(const struct received *r, const char *expected)
{
	struct buf b = {0};

	received_smtp(r, &b);
	assert_string_equal(buf_cstr(&b), expected);
	buf_free(&b);
}

static void
test_received(void **state)
{
	struct received r = sample();
	struct buf b = {0};

	(void)state;
	check_received(&r,
	    "Received: from client.example (unknown [192.0.2.7])\r\n"
	    "\tby mx.example.org (Postkeep) with ESMTP id 4abc\r\n"
	    "\tfor <user@example.org>; Thu, 1 Jan 1970 00:00:00 +0000 (UTC)\r\n");
	r.recipient = STR_EMPTY;
	r.address = STR("2001:db8::1");
	r.tls = STR("using TLSv1.3 with cipher X (256/256 bits)");
	r.login = STR("alice");
	check_received(&r,
	    "Received: from client.example (unknown [IPv6:2001:db8::1])\r\n"
	    "\t(using TLSv1.3 with cipher X (256/256 bits))\r\n"
	    "\t(Authenticated sender: alice)\r\n"
	    "\tby mx.example.org (Postkeep) with ESMTP id 4abc;\r\n"
	    "\tThu, 1 Jan 1970 00:00:00 +0000 (UTC)\r\n");
	received_local(&r, 1000, &b);
	assert_string_equal(buf_cstr(&b),
	    "Received: by mx.example.org (Postkeep, from userid 1000)\r\n"
	    "\tid 4abc; Thu, 1 Jan 1970 00:00:00 +0000 (UTC)\r\n");
	buf_reset(&b);
	received_internal(&r, &b);
	assert_string_equal(buf_cstr(&b),
	    "Received: by mx.example.org (Postkeep)\r\n"
	    "\tid 4abc; Thu, 1 Jan 1970 00:00:00 +0000 (UTC)\r\n");
	buf_free(&b);
}

/* What a stranger says of himself cannot end the comment, the field or the line. */
static void
test_received_hostile(void **state)
{
	struct received r = sample();
	struct buf helo = {0}, b = {0};

	(void)state;
	r.helo = STR("a)\r\nX: \0\xff(");
	r.recipient = STR("k\xc3\xa4the@example.org");
	check_received(&r,
	    "Received: from a???X:???? (unknown [192.0.2.7])\r\n"
	    "\tby mx.example.org (Postkeep) with ESMTP id 4abc;\r\n"
	    "\tThu, 1 Jan 1970 00:00:00 +0000 (UTC)\r\n");
	r.with = STR("UTF8SMTP");
	r.helo = STR_EMPTY;
	check_received(&r,
	    "Received: from unknown (unknown [192.0.2.7])\r\n"
	    "\tby mx.example.org (Postkeep) with UTF8SMTP id 4abc\r\n"
	    "\tfor <k\xc3\xa4the@example.org>; Thu, 1 Jan 1970 00:00:00 +0000 (UTC)\r\n");
	while (helo.len < 100000)
		buf_putc(&helo, 'h');
	r.helo = buf_view(&helo);
	received_smtp(&r, &b);
	assert_true(b.len < 998);
	buf_free(&helo);
	buf_free(&b);
}

static const struct {
	const char *in, *wire, *local;
} line_ends[] = {
    {"", "", ""},
    {"a\n", "a\r\n", "a\n"},
    {"a\r\nb\n", "a\r\nb\r\n", "a\nb\n"},
    {"a\rb\n", "a\rb\r\n", "a\rb\n"},
    {"a\r\r\n", "a\r\r\n", "a\r\n"},
    {"\n\n", "\r\n\r\n", "\n\n"},
    {"a\r", "a\r", "a\r"},
    {"\r\n", "\r\n", "\n"},
    {"\r\r\r", "\r\r\r", "\r\r\r"},
};

/* Every way to cut the text in two gives what the whole gives. */
static void
test_line_ends(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(line_ends); i++) {
		struct str in = str_c(line_ends[i].in);

		for (size_t cut = 0; cut <= in.len; cut++) {
			struct lines to = {0}, from = {0};
			struct buf wire = {0}, local = {0};

			lines_to_wire(&to, str_sub(in, 0, cut), &wire);
			lines_to_wire(&to, str_from(in, cut), &wire);
			lines_end(&to, &wire);
			assert_string_equal(buf_cstr(&wire), line_ends[i].wire);
			lines_to_local(&from, str_sub(in, 0, cut), &local);
			lines_to_local(&from, str_from(in, cut), &local);
			lines_end(&from, &local);
			assert_string_equal(buf_cstr(&local), line_ends[i].local);
			buf_free(&wire);
			buf_free(&local);
		}
	}
}

static void
test_mime(void **state)
{
	struct buf a = {0}, b = {0}, host = {0};

	(void)state;
	assert_string_equal(mime_encoding(true), "8bit");
	assert_string_equal(mime_encoding(false), "7bit");
	while (host.len < 300)
		buf_puts(&host, "h\".");
	mime_boundary(STR("4abc"), buf_view(&host), &a);
	mime_boundary(STR("4abc"), buf_view(&host), &b);
	assert_int_equal(a.len, 70);
	assert_false(str_eq(buf_view(&a), buf_view(&b)));
	assert_true(str_chr(buf_view(&a), '"') == STR_NPOS);
	assert_true(mime_type_is(STR(" multipart/Report; x=y"), STR("multipart/report")));
	assert_true(mime_type_is(STR("text/plain"), STR("text/plain")));
	assert_false(mime_type_is(STR("text/plainer"), STR("text/plain")));
	buf_free(&a);
	buf_free(&b);
	buf_free(&host);
}

static const struct {
	struct str text;
	bool header, body;
} eight_bit_cases[] = {
    {STR(""), false, false},
    {STR("a: b\r\n\r\nbody\r\n"), false, false},
    {STR("a: \xc3\xa4\r\n\r\nbody\r\n"), true, false},
    {STR("a: b\r\n\r\nb\xc3\xa4\r\n"), false, true},
    {STR("a: \xff\r\n\r\n\xff"), true, true},
    {STR("\r\n\xff\r\n"), false, true},
    {STR("\n\xff\n"), false, true},
    {STR("a: b\r\n\r\xff\r\n\r\n"), true, false}, /* a line that only begins like the empty one */
    {STR("x\ny: \xff\r\n"), true, false},
    {STR("no end \xff"), true, false},
};

/* Wherever it is cut in pieces. */
static void
test_eight_bits(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(eight_bit_cases); i++) {
		struct str text = eight_bit_cases[i].text;

		for (size_t a = 0; a <= text.len; a++)
			for (size_t b = a; b <= text.len; b++) {
				struct eight_bits e = {0};

				eight_bits_add(&e, str_sub(text, 0, a));
				eight_bits_add(&e, str_sub(text, a, b - a));
				eight_bits_add(&e, str_from(text, b));
				if (e.header != eight_bit_cases[i].header ||
				    e.body != eight_bit_cases[i].body)
					fail_msg("case %zu, cut at %zu and %zu", i, a, b);
			}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_utf8),
	    cmocka_unit_test(test_dates),
	    cmocka_unit_test(test_date_tm),
	    cmocka_unit_test(test_message_id),
	    cmocka_unit_test(test_dsn),
	    cmocka_unit_test(test_dsn_split),
	    cmocka_unit_test(test_xtext),
	    cmocka_unit_test(test_notify),
	    cmocka_unit_test(test_orcpt),
	    cmocka_unit_test(test_dsn_limits),
	    cmocka_unit_test(test_with),
	    cmocka_unit_test(test_received),
	    cmocka_unit_test(test_received_hostile),
	    cmocka_unit_test(test_line_ends),
	    cmocka_unit_test(test_mime),
	    cmocka_unit_test(test_eight_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
