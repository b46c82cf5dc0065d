/*
 * test_dns_packet - questions as bytes, answers from bytes: good ones, no ones, hostile ones
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "lib/dns/internal.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- Making packets --------------------------------------------------------------------------------- */

/* Offset of the question's name in each packet here, as a pointer: "a.example". And of its "example". */
#define ASKED "\xc0\x0c"
#define EXAMPLE "\xc0\x0e"
static const struct str asked = {"a.example", 9};

static void
put_16(struct buf *b, unsigned n)
{
	buf_putc(b, (char)(n >> 8));
	buf_putc(b, (char)n);
}

/* FLAGS as the two bytes stand in the header, the QR bit is added. */
static void
begin(struct buf *b, enum dns_type type, unsigned flags, unsigned answers, unsigned authorities)
{
	buf_reset(b);
	assert_true(dns_packet_ask(asked, type, 0, b));
	b->data[2] = (char)(0x80 | flags >> 8);
	b->data[3] = (char)flags;
	b->data[6] = (char)(answers >> 8);
	b->data[7] = (char)answers;
	b->data[8] = (char)(authorities >> 8);
	b->data[9] = (char)authorities;
}

/* OWNER and DATA as bytes on the wire. */
static void
add(struct buf *b, struct str owner, unsigned type, unsigned ttl, struct str data)
{
	buf_str(b, owner);
	put_16(b, type);
	put_16(b, 1);
	put_16(b, ttl >> 16);
	put_16(b, ttl & 0xffff);
	put_16(b, (unsigned)data.len);
	buf_str(b, data);
}

static void
add_soa(struct buf *b, unsigned ttl, uint8_t minimum)
{
	char data[22] = {0};

	data[21] = (char)minimum;
	add(b, STR(EXAMPLE), 6, ttl, str_n(data, sizeof(data)));
}

static struct arena *arena;

static struct dns_reply
look(const struct buf *b, enum dns_type type)
{
	struct dns_reply reply;

	arena_reset(arena);
	dns_packet_read(buf_view(b), asked, type, arena, &reply);
	return reply;
}

#define NOERROR 0x0080 /* recursion is available */
#define NXDOMAIN 0x0083
#define AUTHORITATIVE 0x0400
#define AD 0x0020

/* --- Questions and names ---------------------------------------------------------------------------- */

static const struct {
	const char *name, *normal; /* NULL: none */
} names[] = {
    {"Example.ORG", "example.org"},
    {"example.org.", "example.org"},
    {"_25._tcp.mx", "_25._tcp.mx"},
    {"a", "a"},
    {"", NULL},
    {".", NULL},
    {"a..b", NULL},
    {".a", NULL},
    {"a b", NULL},
    {"a\\.b", NULL},
    {"b\xc3\xbc", NULL},
    {"123456789-123456789-123456789-123456789-123456789-123456789-123.x",
	"123456789-123456789-123456789-123456789-123456789-123456789-123.x"},
    {"123456789-123456789-123456789-123456789-123456789-123456789-1234.x", NULL},
};

static void
test_names(void **state)
{
	struct str out;
	char longest[DNS_NAME_MAX + 1];

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		bool ok = dns_name_normal(str_c(names[i].name), arena, &out);

		if (ok != (names[i].normal != NULL) || (ok && !str_eq(out, str_c(names[i].normal))))
			fail_msg("\"%s\"", names[i].name);
	}
	for (size_t i = 0; i < sizeof(longest); i++)
		longest[i] = i % 2 ? '.' : 'a';
	assert_true(dns_name_normal(str_n(longest, DNS_NAME_MAX), arena, &out));
	assert_false(dns_name_normal(str_n(longest, DNS_NAME_MAX + 1), arena, &out) &&
	    out.len > DNS_NAME_MAX);
	longest[1] = 'a';
	longest[DNS_NAME_MAX] = 'a';
	assert_false(dns_name_normal(str_n(longest, DNS_NAME_MAX + 1), arena, &out));
}

static void
test_question(void **state)
{
	struct buf plain = {0}, full = {0};

	(void)state;
	assert_true(dns_packet_ask(asked, DNS_MX, 0, &plain));
	assert_int_equal(plain.len, 12 + 11 + 4);
	assert_int_equal(plain.data[2] & 1, 1);
	assert_int_equal(plain.data[3] & 0x30, 0);
	assert_true(dns_packet_ask(asked, DNS_MX, DNS_ASK_AD | DNS_ASK_CD | DNS_ASK_EDNS, &full));
	assert_int_equal(full.data[3] & 0x30, 0x30);
	assert_int_equal(full.len, plain.len + 11);
	buf_free(&plain);
	buf_free(&full);
}

/* --- Answers ---------------------------------------------------------------------------------------- */

static void
test_records(void **state)
{
	struct buf b = {0};
	struct dns_reply r;

	(void)state;
	begin(&b, DNS_MX, NOERROR | AD, 3, 0);
	add(&b, STR(ASKED), DNS_MX, 300, STR("\x00\x0a\x02mx" EXAMPLE));
	add(&b, STR("\x01z" EXAMPLE), DNS_MX, 5, STR("\x00\x01\x02no" EXAMPLE));
	add(&b,
	    STR("\x01"
		"A\x07"
		"EXAMPLE\x00"),
	    DNS_MX, 200, STR("\x00\x14\x03mx2" EXAMPLE));
	r = look(&b, DNS_MX);
	assert_int_equal(r.kind, DNS_REPLY_RECORDS);
	assert_int_equal(r.n, 2);
	assert_true(r.ad);
	assert_int_equal(r.ttl, 200);
	assert_int_equal(r.records[0].preference, 10);
	assert_true(str_eq(r.records[0].name, STR("mx.example")));
	assert_int_equal(r.records[1].preference, 20);
	assert_true(str_eq(r.records[1].name, STR("mx2.example")));

	begin(&b, DNS_AAAA, NOERROR, 1, 0);
	add(&b, STR(ASKED), DNS_AAAA, 1, STR("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"));
	r = look(&b, DNS_AAAA);
	assert_int_equal(r.n, 1);
	assert_true(str_eq(dns_address_text(&r.records[0].address, arena), STR("2001:db8::1")));

	begin(&b, DNS_TXT, NOERROR, 1, 0);
	add(&b, STR(ASKED), DNS_TXT, 1,
	    STR("\x02"
		"ab\x00\x01\x00"));
	r = look(&b, DNS_TXT);
	assert_int_equal(r.n, 1);
	assert_true(str_eq(r.records[0].txt, STR("ab\x00")));

	begin(&b, DNS_TLSA, NOERROR, 1, 0);
	add(&b, STR(ASKED), DNS_TLSA, 1, STR("\x03\x01\x01\xff\x00"));
	r = look(&b, DNS_TLSA);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.records[0].tlsa.usage, 3);
	assert_true(str_eq(r.records[0].tlsa.data, STR("\xff\x00")));
	buf_free(&b);
}

/* A null MX is the root; odd bytes in a name are escaped and end nothing. */
static void
test_odd_names(void **state)
{
	struct buf b = {0};
	struct dns_reply r;

	(void)state;
	begin(&b, DNS_MX, NOERROR, 2, 0);
	add(&b, STR(ASKED), DNS_MX, 1, STR("\x00\x00\x00"));
	add(&b, STR(ASKED), DNS_MX, 1,
	    STR("\x00\x01\x04"
		"a.\x00\xff\x00"));
	r = look(&b, DNS_MX);
	assert_int_equal(r.n, 2);
	assert_true(str_eq(r.records[0].name, STR(".")));
	assert_true(str_eq(r.records[1].name, STR("a\\046\\000\\255")));
	buf_free(&b);
}

static void
test_aliases(void **state)
{
	struct buf b = {0};
	struct dns_reply r;

	(void)state;
	/* The end of the chain stands before its beginning. */
	begin(&b, DNS_A, NOERROR, 3, 0);
	add(&b, STR("\x01z" EXAMPLE), DNS_A, 50, STR("\x7f\0\0\x01"));
	add(&b, STR("\x01y" EXAMPLE), DNS_CNAME, 40, STR("\x01z" EXAMPLE));
	add(&b, STR(ASKED), DNS_CNAME, 60, STR("\x01Y" EXAMPLE));
	r = look(&b, DNS_A);
	assert_int_equal(r.kind, DNS_REPLY_RECORDS);
	assert_int_equal(r.ttl, 40);
	assert_int_equal(r.aliases, 2);
	assert_true(str_eq(r.canonical, STR("z.example")));

	/* Its end is elsewhere; there is none; there is none of that type. */
	begin(&b, DNS_A, NOERROR | AUTHORITATIVE, 1, 0);
	add(&b, STR(ASKED), DNS_CNAME, 60, STR("\x01z\x03org\x00"));
	r = look(&b, DNS_A);
	assert_int_equal(r.kind, DNS_REPLY_ALIAS);
	assert_true(str_eq(r.canonical, STR("z.org")));
	begin(&b, DNS_A, NXDOMAIN, 1, 1);
	add(&b, STR(ASKED), DNS_CNAME, 60, STR("\x01z\x03org\x00"));
	add_soa(&b, 30, 20);
	r = look(&b, DNS_A);
	assert_int_equal(r.kind, DNS_REPLY_NO_NAME);
	assert_int_equal(r.ttl, 20);
	begin(&b, DNS_A, NOERROR, 1, 1);
	add(&b, STR(ASKED), DNS_CNAME, 60, STR("\x01z\x03org\x00"));
	add_soa(&b, 10, 20);
	r = look(&b, DNS_A);
	assert_int_equal(r.kind, DNS_REPLY_NO_DATA);
	assert_int_equal(r.ttl, 10);

	/* A loop of two. */
	begin(&b, DNS_A, NOERROR, 2, 0);
	add(&b, STR(ASKED), DNS_CNAME, 60, STR("\x01z" EXAMPLE));
	add(&b, STR("\x01z" EXAMPLE), DNS_CNAME, 60, STR(ASKED));
	r = look(&b, DNS_A);
	assert_int_equal(r.kind, DNS_REPLY_FAILED);
	buf_free(&b);
}

/* --- "No", and what is none ------------------------------------------------------------------------- */

static const struct {
	unsigned flags;
	int authority; /* 0 none, 's' SOA, 'n' NS */
	enum dns_reply_kind kind;
} nos[] = {
    {NXDOMAIN, 's', DNS_REPLY_NO_NAME},
    {NXDOMAIN, 0, DNS_REPLY_NO_NAME},
    {NOERROR, 's', DNS_REPLY_NO_DATA},
    {NOERROR, 0, DNS_REPLY_NO_DATA},
    {AUTHORITATIVE, 0, DNS_REPLY_NO_DATA},
    {0, 0, DNS_REPLY_FAILED},   /* lame: neither authoritative nor recursive */
    {0, 'n', DNS_REPLY_FAILED}, /* refers to others */
    {NOERROR, 'n', DNS_REPLY_FAILED},
    {NOERROR | 1, 's', DNS_REPLY_FAILED}, /* FORMERR, SERVFAIL, NOTIMP, REFUSED */
    {NOERROR | 2, 's', DNS_REPLY_FAILED},
    {NOERROR | 4, 's', DNS_REPLY_FAILED},
    {NOERROR | 5, 's', DNS_REPLY_FAILED},
    {NOERROR | 0x0200, 's', DNS_REPLY_FAILED}, /* truncated, and by TCP at that */
    {NXDOMAIN | 0x0200, 's', DNS_REPLY_FAILED},
};

static void
test_no(void **state)
{
	struct buf b = {0};

	(void)state;
	for (size_t i = 0; i < COUNT(nos); i++) {
		struct dns_reply r;

		begin(&b, DNS_MX, nos[i].flags, 0, nos[i].authority ? 1 : 0);
		if (nos[i].authority == 's')
			add_soa(&b, 100, 200);
		if (nos[i].authority == 'n')
			add(&b, STR(EXAMPLE), 2, 100, STR("\x02ns" EXAMPLE));
		r = look(&b, DNS_MX);
		if (r.kind != nos[i].kind || (r.kind == DNS_REPLY_FAILED) != (r.why != NULL))
			fail_msg("case %zu: %d", i, (int)r.kind);
		if (nos[i].authority == 's' && r.kind != DNS_REPLY_FAILED)
			assert_int_equal(r.ttl, 100);
	}
	buf_free(&b);
}

/* --- Hostile answers -------------------------------------------------------------------------------- */

static void
must_fail(const struct buf *b, enum dns_type type, const char *what)
{
	struct dns_reply r = look(b, type);

	if (r.kind != DNS_REPLY_FAILED || r.n != 0 || !r.why)
		fail_msg("%s: %d", what, (int)r.kind);
}

static void
test_hostile(void **state)
{
	struct buf b = {0};

	(void)state;
	begin(&b, DNS_MX, NOERROR, 1, 0);
	add(&b, STR("\xc0\x1b"), DNS_MX, 1, STR("\x00\x01\x00")); /* a name that points to itself */
	must_fail(&b, DNS_MX, "pointer to itself");
	begin(&b, DNS_MX, NOERROR, 1, 0);
	add(&b, STR("\xc0\xff"), DNS_MX, 1, STR("\x00\x01\x00"));
	must_fail(&b, DNS_MX, "pointer forward, beyond the end");
	begin(&b, DNS_MX, NOERROR, 1, 0);
	add(&b, STR(ASKED), DNS_MX, 1, STR("\x00\x01\xc0"));
	must_fail(&b, DNS_MX, "half a pointer at the end");
	begin(&b, DNS_MX, NOERROR, 1, 0);
	add(&b, STR(ASKED), DNS_MX, 1,
	    STR("\x00\x01\x3f"
		"a"));
	must_fail(&b, DNS_MX, "a label beyond the end");
	begin(&b, DNS_MX, NOERROR, 1, 0);
	add(&b, STR(ASKED), DNS_MX, 1,
	    STR("\x00\x01\x01"
		"a\x00zzz"));
	must_fail(&b, DNS_MX, "bytes behind the name");
	begin(&b, DNS_A, NOERROR, 1, 0);
	add(&b, STR(ASKED), DNS_A, 1, STR("\x7f\0\0"));
	must_fail(&b, DNS_A, "three bytes of address");
	begin(&b, DNS_TXT, NOERROR, 1, 0);
	add(&b, STR(ASKED), DNS_TXT, 1,
	    STR("\x05"
		"ab"));
	must_fail(&b, DNS_TXT, "a string beyond its record");
	begin(&b, DNS_A, NOERROR, 2, 0);
	add(&b, STR(ASKED), DNS_A, 1, STR("\x7f\0\0\x01"));
	must_fail(&b, DNS_A, "fewer records than said");
	begin(&b, DNS_A, NOERROR, 65535, 65535);
	must_fail(&b, DNS_A, "none of 65535 records");
	begin(&b, DNS_A, NOERROR, 1, 0);
	add(&b, STR(ASKED), DNS_TXT, 1,
	    STR("\x01"
		"a"));
	must_fail(&b, DNS_A, "records that nobody has asked for");
	begin(&b, DNS_A, NOERROR, 0, 1);
	must_fail(&b, DNS_A, "no authority where one is said to be");
	begin(&b, DNS_A, NOERROR, 0, 0);
	b.data[5] = 2;
	must_fail(&b, DNS_A, "two questions");
	b.data[5] = 1;
	must_fail(&b, DNS_AAAA, "the answer to another type");
	b.data[13] = 'b';
	must_fail(&b, DNS_A, "the answer to another name");
	for (size_t len = 0; len < 27; len++) {
		begin(&b, DNS_A, NOERROR, 0, 0);
		buf_truncate(&b, len);
		must_fail(&b, DNS_A, "cut off");
	}
	buf_free(&b);
}

/* 64 KiB of pointers, each to the one before it, and as many names as fit that begin at the last one. */
static void
test_long_pointer_chain(void **state)
{
	struct buf b = {0};
	int64_t begun;

	(void)state;
	begin(&b, DNS_TXT, NOERROR, 5000, 0);
	buf_str(&b, STR(ASKED));
	put_16(&b, DNS_TXT), put_16(&b, 1), put_16(&b, 0), put_16(&b, 1), put_16(&b, 16000);
	put_16(&b, 0xc00c);
	while (b.len < 16300)
		put_16(&b, 0xc000 | (unsigned)(b.len - 2));
	while (b.len < DNS_PACKET_MAX - 16)
		add(&b, STR("\xff\x80"), DNS_A, 1, STR(""));
	begun = clock_mono_ms();
	must_fail(&b, DNS_TXT, "a chain of pointers");
	/* No figure of speed: work that grew with the square of the size would take minutes. */
	assert_true(clock_mono_ms() - begun < 20000);
	buf_free(&b);
}

static void
test_many_records(void **state)
{
	struct buf b = {0};
	struct dns_reply r;

	(void)state;
	begin(&b, DNS_A, NOERROR, 4000, 0);
	for (int i = 0; i < 4000; i++)
		add(&b, STR(ASKED), DNS_A, 1, STR("\x7f\0\0\x01"));
	assert_true(b.len < DNS_PACKET_MAX);
	r = look(&b, DNS_A);
	assert_int_equal(r.kind, DNS_REPLY_RECORDS);
	assert_int_equal(r.n, DNS_RECORDS_MAX);

	/* Just below the limit all arrive. */
	begin(&b, DNS_A, NOERROR, DNS_RECORDS_MAX, 0);
	for (int i = 0; i < DNS_RECORDS_MAX; i++)
		add(&b, STR(ASKED), DNS_A, 1, STR("\x7f\0\0\x02"));
	r = look(&b, DNS_A);
	assert_int_equal(r.n, DNS_RECORDS_MAX);
	assert_int_equal(
	    r.records[DNS_RECORDS_MAX - 1].address.in.sin_addr.s_addr, htonl(0x7f000002));
	buf_free(&b);
}

/* CNAME records one after the other: ten are followed, eleven are not. */
static void
test_chain_limit(void **state)
{
	(void)state;
	for (int n = DNS_CHAIN_MAX; n <= DNS_CHAIN_MAX + 1; n++) {
		struct buf b = {0};
		char from[] = "\x01?" EXAMPLE, to[] = "\x01?" EXAMPLE;
		struct dns_reply r;

		begin(&b, DNS_A, NOERROR, (unsigned)n + 1, 0);
		for (int i = 0; i <= n; i++) {
			from[1] = (char)(i == 0 ? 'a' : 'A' + i);
			to[1] = (char)('A' + i + 1);
			if (i < n)
				add(&b, str_n(from, 4), DNS_CNAME, 1, str_n(to, 4));
			else
				add(&b, str_n(from, 4), DNS_A, 1, STR("\x7f\0\0\x01"));
		}
		r = look(&b, DNS_A);
		assert_int_equal(r.kind, n <= DNS_CHAIN_MAX ? DNS_REPLY_RECORDS : DNS_REPLY_FAILED);
		buf_free(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_question),
	    cmocka_unit_test(test_records),
	    cmocka_unit_test(test_odd_names),
	    cmocka_unit_test(test_aliases),
	    cmocka_unit_test(test_no),
	    cmocka_unit_test(test_hostile),
	    cmocka_unit_test(test_long_pointer_chain),
	    cmocka_unit_test(test_many_records),
	    cmocka_unit_test(test_chain_limit),
	};
	int failed;

	arena = arena_new(0);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_free(&arena);
	return failed;
}
