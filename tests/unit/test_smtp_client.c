/*
 * test_smtp_client - the SMTP client against servers that are a script; its parts that need no server
 *
 * What is said on the wire, and what becomes of the recipients. The same at greater length, with real
 * sockets and clocks, is tests/system/test_smtp_client.py.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "smtp/features.h"
#include "smtp/port25.h"
#include "tests/unit/smtp_client_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HOP STR("[127.0.0.1]:2525")
#define HELLO STR("220 hop ESMTP\r\n"), STR("250-hop\r\n250-PIPELINING\r\n250 SIZE 1000\r\n")
#define CONTENT STR("Subject: x\r\n\r\n.dot\r\n")

static const char *const one[] = {"a@hop.example", NULL};
static const char *const three[] = {"a@hop.example", "b@hop.example", "c@hop.example", NULL};

/* --- Sessions ------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	struct str packets[12];
	const char *const *rcpts;
	const char *wire;
	const char *outcomes; /* s, d or b for each recipient; "u": unreachable */
	const char *text;     /* in the last one */
} sessions[] = {
    {"all in one packet", {HELLO, STR("250 m\r\n250 r\r\n354 d\r\n"), STR("250 2.0.0 Ok: q\r\n")},
	one,
	"\fEHLO mx.example.com\r\nMAIL FROM:<s@example.org> SIZE=20\r\nRCPT "
	"TO:<a@hop.example>\r\n"
	"DATA\r\nSubject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n",
	"s", "250 2.0.0 Ok: q"},
    {"one after the other",
	{STR("220 hop\r\n"), STR("250 hop\r\n"), STR("250 m\r\n"), STR("250 r\r\n"),
	    STR("354 d\r\n"), STR("250 q\r\n")},
	one,
	"\fEHLO mx.example.com\r\nMAIL FROM:<s@example.org>\r\nRCPT TO:<a@hop.example>\r\n"
	"DATA\r\nSubject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n",
	"s", "250 q"},
    {"BDAT",
	{STR("220 hop\r\n"), STR("250-hop\r\n250-CHUNKING\r\n250 PIPELINING\r\n"),
	    STR("250 m\r\n250 r\r\n250 1\r\n"), STR("250 2.0.0 Ok: q\r\n")},
	one,
	"\fEHLO mx.example.com\r\nMAIL FROM:<s@example.org>\r\nRCPT TO:<a@hop.example>\r\n"
	"BDAT 1\r\nSBDAT 19 LAST\r\nubject: x\r\n\r\n.dot\r\nQUIT\r\n",
	"s", "Ok: q"},
    {"BDAT that is not known: no content for commands",
	{STR("220 hop\r\n"), STR("250-hop\r\n250-CHUNKING\r\n250 PIPELINING\r\n"),
	    STR("250 m\r\n250 r\r\n502 what?\r\n")},
	one,
	"\fEHLO mx.example.com\r\nMAIL FROM:<s@example.org>\r\nRCPT TO:<a@hop.example>\r\n"
	"BDAT 1\r\nS",
	"d", "502 what? (in reply to BDAT command)"},
    {"BDAT for nobody",
	{STR("220 hop\r\n"), STR("250-hop\r\n250-CHUNKING\r\n250 PIPELINING\r\n"),
	    STR("250 m\r\n550 r\r\n554 nobody\r\n")},
	one,
	"\fEHLO mx.example.com\r\nMAIL FROM:<s@example.org>\r\nRCPT TO:<a@hop.example>\r\n"
	"BDAT 1\r\nSQUIT\r\n",
	"b", "550 r (in reply to RCPT TO command)"},
    {"no connection", {STR("\v")}, one, "", "du", "Connection refused"},
    {"no descriptor", {STR("\a")}, one, "", "d", "Too many open files"},
    {"nothing said", {STR("\f")}, one, "\f", "du", "lost connection"},
    {"refused to talk", {STR("554 go\r\n")}, one, NULL, "du", "refused to talk to me: 554 go"},
    {"each its own",
	{HELLO, STR("250 m\r\n250 r\r\n550 5.1.1 r\r\n450 4.2.0 r\r\n354 d\r\n"), STR("250 q\r\n")},
	three, NULL, "sbd", "450 4.2.0 r (in reply to RCPT TO command)"},
    {"MAIL refused, and what follows it", {HELLO, STR("550 m\r\n250 r\r\n354 d\r\n")}, one, NULL,
	"b", "550 m (in reply to MAIL FROM command)"},
    {"nobody, and content is wanted",
	{HELLO, STR("250 m\r\n550 r\r\n354 d\r\n"), STR("554 nobody\r\n")}, one,
	"\fEHLO mx.example.com\r\nMAIL FROM:<s@example.org> SIZE=20\r\nRCPT "
	"TO:<a@hop.example>\r\n"
	"DATA\r\n.\r\nQUIT\r\n",
	"b", "550 r"},
    {"nobody but perhaps one, and content is wanted",
	{HELLO, STR("550 m\r\n250 r\r\n354 d\r\n"), STR("250 kept\r\n")}, one,
	"\fEHLO mx.example.com\r\nMAIL FROM:<s@example.org> SIZE=20\r\nRCPT "
	"TO:<a@hop.example>\r\n"
	"DATA\r\n",
	"b", "550 m"},
    {"MAIL put off, and gone", {HELLO, STR("450 4.7.1 m\r\n")}, three, NULL, "ddd",
	"450 4.7.1 m (in reply to MAIL FROM command)"},
    {"one put off, and gone", {HELLO, STR("250 m\r\n450 4.7.1 r\r\n")}, one, NULL, "d",
	"450 4.7.1 r (in reply to RCPT TO command)"},
    {"one taken, and gone", {HELLO, STR("250 m\r\n250 r\r\n")}, three, NULL, "ddd",
	"while sending RCPT TO"},
    {"552 is 452",
	{HELLO, STR("250 m\r\n250 r\r\n552 r\r\n552 5.5.3 r\r\n354 d\r\n"), STR("250 q\r\n")},
	three, NULL, "sdd", "452 4.5.3 r"},
    {"552 that is not 452",
	{HELLO, STR("250 m\r\n552 r\r\n250 r\r\n552 5.2.2 full\r\n354 d\r\n"), STR("250 q\r\n")},
	three, NULL, "bsb", "552 5.2.2 full"},
    {"a code that contradicts the reply", {HELLO, STR("250 m\r\n550 2.1.5 r\r\n554 d\r\n")}, one,
	NULL, "b", "said: 550 2.1.5 r"},
    {"my name on another port than 25",
	{STR("220 mx.example.com\r\n"), STR("250 mx.example.com\r\n"), STR("250 m\r\n"),
	    STR("250 r\r\n"), STR("354 d\r\n"), STR("250 q\r\n")},
	one, NULL, "s", "250 q"},
    {"asterisks, and a new message",
	{STR("220 ***\r\n"), STR("250 hop\r\n"), STR("250 m\r\n"), STR("250 r\r\n"),
	    STR("354 d\r\n"), STR("250 q\r\n")},
	one,
	"\fHELO mx.example.com\r\nMAIL FROM:<s@example.org>\r\nRCPT TO:<a@hop.example>\r\n"
	"DATA\r\nSubject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n",
	"s", "250 q"},
    {"no answer to the end", {HELLO, STR("250 m\r\n250 r\r\n354 d\r\n")}, one, NULL, "d",
	"message may be sent more than once"},
    {"half a line", {HELLO, STR("250 m\r\n250 r\r\n354 d\r\n"), STR("250 q")}, one, NULL, "d",
	"lost connection"},
    {"nonsense", {STR("hello\r\n")}, one, NULL, "du", "broken conversation"},
    {"code that changes", {STR("220-a\r\n250 b\r\n")}, one, NULL, "du", "lost connection"},
    {"a greeting of which one line is a reply",
	{STR("*** terms of use ***\r\n\r\n220 hop ESMTP\r\nbe good\r\n"), STR("250 hop\r\n"),
	    STR("250 m\r\n"), STR("250 r\r\n"), STR("354 d\r\n"), STR("250 q\r\n")},
	one, NULL, "s", "250 q"},
    {"no reply among replies", {HELLO, STR("250 m\r\nso what\r\n250 r\r\n354 d\r\n")}, one, NULL,
	"d", "broken conversation with 127.0.0.1[127.0.0.1] while sending RCPT TO"},
    {"3xx to MAIL", {HELLO, STR("354 m\r\n250 r\r\n503 d\r\n")}, one, NULL, "d", "Protocol error"},
};

static void
test_sessions(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(sessions); i++) {
		struct play p = {.main_cf = "smtp_connection_cache_on_demand = no\n",
		    .packets = sessions[i].packets,
		    .n_packets = COUNT(sessions[i].packets),
		    .n = 1};
		const char *o = sessions[i].outcomes;
		size_t last = 0;

		p.deliveries[0] = (struct play_delivery){.nexthop = HOP,
		    .rcpts = sessions[i].rcpts,
		    .content = CONTENT,
		    .tell_connected = true};
		play(&p);
		if (sessions[i].wire && strcmp(buf_cstr(&p.wire), sessions[i].wire) != 0)
			fail_msg("%s: said \"%s\"", sessions[i].name, buf_cstr(&p.wire));
		for (size_t k = 0; k < p.n_results; k++) {
			char is = "sdb"[p.results[k].status];

			if (is != o[p.results[k].index])
				fail_msg(
				    "%s: %d is %c", sessions[i].name, (int)p.results[k].index, is);
			last = p.results[k].index > p.results[last].index ? k : last;
		}
		assert_int_equal(o[p.n_results] == 'u', p.results[0].unreachable);
		/* Whoever has let the client in was reported. */
		assert_int_equal(p.told_connected, strstr(buf_cstr(&p.wire), "MAIL") != NULL);
		if (str_find(p.results[last].text, str_c(sessions[i].text)) == STR_NPOS)
			fail_msg("%s: %.*s", sessions[i].name, STR_ARG(p.results[last].text));
		play_free(&p);
	}
}

/* An old connection carries the next message; a dead one is replaced without a word. */
static void
test_again(void **state)
{
	static const struct str packets[] = {HELLO, STR("250 m\r\n250 r\r\n354 d\r\n"),
	    STR("250 q1\r\n"), STR("250 rset\r\n250 m\r\n250 r\r\n354 d\r\n"), STR("250 q2\r\n"),
	    STR("\f"), HELLO, STR("250 m\r\n250 r\r\n354 d\r\n"), STR("250 q3\r\n")};
	struct play p = {.packets = packets, .n_packets = COUNT(packets), .n = 3};

	(void)state;
	for (size_t i = 0; i < p.n; i++)
		p.deliveries[i] =
		    (struct play_delivery){.nexthop = HOP, .rcpts = one, .content = CONTENT};
	play(&p);
	assert_int_equal(p.n_results, 3);
	assert_int_equal(p.connections, 2);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(p.results[i].status, DELIVERY_SENT);
		assert_int_equal(p.results[i].conn_use, i == 1 ? 2 : 1);
	}
	play_free(&p);
}

/* RSET is refused when all of the next message has gone after it, and was taken: it must not go again. */
static void
test_rset_refused(void **state)
{
	static const struct str packets[] = {STR("220 hop\r\n"),
	    STR("250-hop\r\n250-CHUNKING\r\n250 PIPELINING\r\n"),
	    STR("250 m\r\n250 r\r\n250 1\r\n"), STR("250 q1\r\n"),
	    STR("502 rset\r\n250 m\r\n250 r\r\n250 q2\r\n")};
	struct play p = {.packets = packets, .n_packets = COUNT(packets), .n = 2};

	(void)state;
	for (size_t i = 0; i < p.n; i++)
		p.deliveries[i] =
		    (struct play_delivery){.nexthop = HOP, .rcpts = one, .content = CONTENT};
	play(&p);
	assert_int_equal(p.n_results, 2);
	assert_int_equal(p.connections, 1);
	assert_int_equal(p.results[1].status, DELIVERY_SENT);
	assert_true(str_eq(p.results[1].text, STR("250 q2")));
	play_free(&p);
}

/* The channel ends anywhere in the content: there is no end of data. */
static void
test_cut(void **state)
{
	static const struct str packets[] = {
	    HELLO, STR("250 m\r\n250 r\r\n354 d\r\n"), STR("250 q\r\n")};
	struct buf large = {0};

	(void)state;
	for (size_t i = 0; i < 5000; i++)
		buf_puts(&large, "a line of some length\r\n");
	for (size_t cut = 1; cut < large.len; cut = cut * 3) {
		struct play p = {.packets = packets,
		    .n_packets = COUNT(packets),
		    .n = 1,
		    .main_cf = "smtp_discard_ehlo_keywords = size\n"};

		p.deliveries[0] = (struct play_delivery){
		    .nexthop = HOP, .rcpts = one, .content = buf_view(&large), .cut = cut};
		play(&p);
		assert_int_equal(p.n_results, 0);
		assert_int_equal(str_find(buf_view(&p.wire), STR("\r\n.\r\n")), STR_NPOS);
		play_free(&p);
	}
	buf_free(&large);
}

/* A server that breaks in the middle of large content: the next one gets all of it. */
static void
test_large_again(void **state)
{
	static const struct str packets[] = {HELLO, STR("250 m\r\n250 r\r\n354 d\r\n"), STR("\f"),
	    HELLO, STR("250 m\r\n250 r\r\n354 d\r\n"), STR("250 q\r\n"),
	    STR("250 s\r\n250 m\r\n250 r\r\n354 d\r\n"), STR("250 q2\r\n")};
	struct play p = {.packets = packets,
	    .n_packets = COUNT(packets),
	    .n = 2,
	    .main_cf = "smtp_discard_ehlo_keywords = size\n"};
	struct buf large = {0};

	(void)state;
	for (size_t i = 0; i < 5000; i++)
		buf_puts(&large, "a line of some length\r\n");
	p.deliveries[0] = (struct play_delivery){
	    .nexthop = STR("[127.0.0.1] [127.0.0.2]"), .rcpts = one, .content = buf_view(&large)};
	p.deliveries[1] =
	    (struct play_delivery){.nexthop = STR("[127.0.0.2]"), .rcpts = one, .content = CONTENT};
	play(&p);
	assert_int_equal(p.n_results, 2);
	assert_int_equal(p.results[0].status, DELIVERY_SENT);
	assert_true(str_eq(p.results[1].text, STR("250 q2")));
	assert_int_equal(p.asked_again, 1);
	buf_puts(&large, ".\r\n");
	size_t first = str_find(buf_view(&p.wire), buf_view(&large));

	assert_int_not_equal(first, STR_NPOS);
	assert_int_not_equal(
	    str_find(str_from(buf_view(&p.wire), first + 1), buf_view(&large)), STR_NPOS);
	buf_free(&large);
	play_free(&p);
}

static void
test_xforward(void **state)
{
	static const struct str packets[] = {STR("220 hop\r\n"),
	    STR("250-hop\r\n250-PIPELINING\r\n250 XFORWARD NAME ADDR PORT HELO IDENT SOURCE\r\n"),
	    STR("250 x\r\n250 m\r\n250 r\r\n354 d\r\n"), STR("250 q\r\n")};
	struct play p = {.main_cf = "smtp_send_xforward_command = yes\n",
	    .packets = packets,
	    .n_packets = COUNT(packets),
	    .n = 1};

	(void)state;
	p.deliveries[0] = (struct play_delivery){.nexthop = HOP, .rcpts = one, .content = CONTENT};
	play(&p);
	assert_int_equal(p.results[0].status, DELIVERY_SENT);
	assert_non_null(strstr(buf_cstr(&p.wire),
	    "\r\nXFORWARD NAME=c+20d.example ADDR=192.0.2.1 PORT=[UNAVAILABLE] HELO=h+2B "
	    "IDENT=4bTESTID0001 SOURCE=REMOTE\r\nMAIL FROM:"));
	play_free(&p);
}

/* On port 25 who answers by my name is me. */
static void
test_loop(void **state)
{
	static const struct str packets[] = {
	    STR("220 hop\r\n"), STR("250 MX.example.com hello\r\n"), STR("221 q\r\n")};
	struct play p = {.packets = packets, .n_packets = COUNT(packets), .n = 1};

	(void)state;
	p.deliveries[0] = (struct play_delivery){
	    .nexthop = STR("[192.0.2.1]:25"), .rcpts = one, .content = CONTENT};
	play(&p);
	assert_int_equal(p.results[0].status, DELIVERY_DEFERRED);
	assert_true(str_starts(p.results[0].text, STR("mail for [192.0.2.1]:25 loops back")));
	play_free(&p);
}

static void
test_lmtp(void **state)
{
	static const struct str packets[] = {HELLO,
	    STR("250 m\r\n250 r\r\n250 r\r\n550 r\r\n354 d\r\n"),
	    STR("250 2.0.0 one\r\n452 4.2.2 two\r\n")};
	struct play p = {.lmtp = true, .packets = packets, .n_packets = COUNT(packets), .n = 1};

	static const enum delivery_status expected[] = {
	    DELIVERY_SENT, DELIVERY_DEFERRED, DELIVERY_BOUNCED};

	(void)state;
	p.deliveries[0] = (struct play_delivery){
	    .nexthop = STR("inet:[127.0.0.1]:24"), .rcpts = three, .content = CONTENT};
	play(&p);
	assert_int_equal(p.n_results, 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(p.results[i].status, expected[p.results[i].index]);
	/* What may be tried elsewhere is told last. */
	assert_int_equal(p.results[2].index, 1);
	assert_true(str_starts(buf_view(&p.wire), STR("\fLHLO mx.example.com\r\n")));
	play_free(&p);
}

/* --- Parts ---------------------------------------------------------------------------------------- */

static void
test_features(void **state)
{
	static const struct {
		const char *text;
		unsigned discard, bits;
		uint64_t size;
		const char *auth;
	} cases[] = {
	    {"hop", 0, FEATURE_ESMTP, 0, ""},
	    {"hop\nsize 100\nPipelining", 0, FEATURE_ESMTP | FEATURE_SIZE | FEATURE_PIPELINING, 100,
		""},
	    {"PIPELINING", 0, FEATURE_ESMTP, 0, ""}, /* the first line is a greeting */
	    {"hop\nSIZE", 0, FEATURE_ESMTP | FEATURE_SIZE, 0, ""},
	    {"hop\nSIZE 99999999999999999999999", 0, FEATURE_ESMTP | FEATURE_SIZE, 0, ""},
	    {"hop\nSIZE 5\nDSN", FEATURE_SIZE, FEATURE_ESMTP | FEATURE_DSN, 0, ""},
	    {"hop\nAUTH PLAIN LOGIN\nAUTH=X", 0, FEATURE_ESMTP | FEATURE_AUTH, 0, "PLAIN LOGIN X"},
	    {"hop\nSIZE=7\nDSN=x", 0, FEATURE_ESMTP | FEATURE_SIZE | FEATURE_DSN, 7, ""},
	    {"hop\nSIZE  7 bytes", 0, FEATURE_ESMTP | FEATURE_SIZE, 7, ""},
	    {"hop\nDSNX\n\nXDSN\nDSN-", 0, FEATURE_ESMTP, 0, ""},
	};
	struct features f;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		features_parse(str_c(cases[i].text), cases[i].discard, &f);
		assert_int_equal(f.bits, cases[i].bits);
		assert_int_equal(f.size, cases[i].size);
		assert_string_equal(f.auth, cases[i].auth);
	}
}

static void
test_discard(void **state)
{
	struct buf why = {0};
	unsigned bits;

	(void)state;
	assert_true(features_words(STR("dsn, Silent-Discard chunking"), &bits, &why));
	assert_int_equal(bits, FEATURE_DSN | FEATURE_CHUNKING);
	assert_false(features_words(STR("dsn, dns"), &bits, &why));
	assert_non_null(strstr(buf_cstr(&why), "\"dns\""));
	buf_free(&why);
}

static void
test_port25(void **state)
{
	struct port25 p = {0};

	(void)state;
	/* Too few hosts, however long. */
	for (uint64_t i = 0; i < 100; i++)
		assert_false(port25_silent(&p, i % (PORT25_HOSTS - 1), (int64_t)i * PORT25_MS));
	/* Enough of them, and long enough: once. */
	assert_true(port25_silent(&p, 77, 100 * PORT25_MS));
	assert_false(port25_silent(&p, 78, 200 * PORT25_MS));
	/* Anew after a connection; not before the time has passed. */
	port25_connected(&p);
	for (uint64_t i = 0; i < 20; i++)
		assert_false(port25_silent(&p, i, 1000));
	assert_false(port25_silent(&p, 1, 999 + PORT25_MS));
	assert_true(port25_silent(&p, 1, 1000 + PORT25_MS));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sessions),
	    cmocka_unit_test(test_large_again),
	    cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_again),
	    cmocka_unit_test(test_xforward),
	    cmocka_unit_test(test_rset_refused),
	    cmocka_unit_test(test_loop),
	    cmocka_unit_test(test_lmtp),
	    cmocka_unit_test(test_features),
	    cmocka_unit_test(test_discard),
	    cmocka_unit_test(test_port25),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
