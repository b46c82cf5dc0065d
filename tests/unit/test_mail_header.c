/*
 * test_mail_header - the field scanner, address lists (RFC 5322 appendix A), qualification, phrases
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/mail/header.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
	const char *line;
	size_t length;
} names[] = {
    {"Subject: x", 7},
    {"Subject:", 7},
    {"X-Y \t: z", 3},
    {"a!#$%&'*+-./0:", 13},
    {":", 0},
    {"", 0},
    {"Subject", 0},
    {"Sub ject: x", 0},
    {" Subject: x", 0},
    {"S\xc3\xa4: x", 0},
    {"S\x7f: x", 0},
    {"From alice@example.org Sun Nov 22 06:07:42 2026", 0},
};

static void
test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		if (header_name_length(str_c(names[i].line)) != names[i].length)
			fail_msg("\"%s\"", names[i].line);
	assert_int_equal(header_name_length((struct str){"A\0B: c", 6}), 0);
}

static void
check_field(struct str *rest, const char *name, const char *value, const char *raw)
{
	struct header_field f;

	assert_true(header_next(rest, &f));
	assert_true(str_eq(f.name, str_c(name)));
	assert_true(str_eq(f.value, str_c(value)));
	assert_true(str_eq(f.raw, str_c(raw)));
}

static void
test_fields(void **state)
{
	struct str h =
	    STR("From: a\r\nTo:b,\r\n\tc\r\nSubject:\nX : \r\n \r\nLast: z\r\n\r\nbody: no\r\n");
	struct header_field f;

	(void)state;
	assert_true(header_find(h, STR("subject"), &f));
	assert_false(header_find(h, STR("body"), &f));
	check_field(&h, "From", " a", "From: a\r\n");
	check_field(&h, "To", "b,\r\n\tc", "To:b,\r\n\tc\r\n");
	check_field(&h, "Subject", "", "Subject:\n");
	check_field(&h, "X", " \r\n ", "X : \r\n \r\n");
	check_field(&h, "Last", " z", "Last: z\r\n");
	assert_false(header_next(&h, &f));
	assert_true(str_eq(h, STR("\r\nbody: no\r\n")));
	h = STR("A: b");
	check_field(&h, "A", " b", "A: b");
	assert_false(header_next(&h, &f));
	assert_int_equal(h.len, 0);
	h = STR("A:\r");
	check_field(&h, "A", "\r", "A:\r");
	h = STR("no field\r\nA: b\r\n");
	assert_false(header_next(&h, &f));
	assert_true(str_starts(h, STR("no field")));
}

static void
test_unfold(void **state)
{
	struct buf b = {0};

	(void)state;
	header_unfold(STR("  <a@b>\r\n\t(c)\n d\r \r\n"), &b);
	assert_string_equal(buf_cstr(&b), "<a@b>\t(c) d");
	buf_free(&b);
}

/* Expected: "local|domain" one behind the other, separated by blanks; "qualified" NULL: unchanged. */
static const struct {
	const char *value, *addresses, *qualified;
} lists[] = {
    /* RFC 5322 appendix A */
    {" John Doe <jdoe@machine.example>", "jdoe|machine.example", NULL},
    {" \"Joe Q. Public\" <john.q.public@example.com>", "john.q.public|example.com", NULL},
    {" Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
	"mary|x.test jdoe|example.org one|y.test", NULL},
    {" <boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
	"boss|nil.test sysservices|example.net", NULL},
    {" A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
	"c|a.test joe|where.test jdoe|one.test", NULL},
    {" Undisclosed recipients:;", "", NULL},
    {" Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", "pete|silly.test", NULL},
    {"A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n"
     "         joe@example.org,\r\n  John <jdoe@one.test> (my dear friend); (the end of the group)",
	"c|public.example joe|example.org jdoe|one.test", NULL},
    {"(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;", "", NULL},
    {" Joe Q. Public <john.q.public@example.com>", "john.q.public|example.com", NULL},
    {" Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example",
	"mary|example.net jdoe|test.example", NULL},
    {" <@a.test,@b.test:joe@c.test>", "joe|c.test", NULL},
    /* incomplete addresses */
    {" alice", "alice|", " alice@or.ig"},
    {" alice (Alice)", "alice|", " alice@or.ig (Alice)"},
    {" Alice <alice>", "alice|", " Alice <alice@or.ig>"},
    {" \"Al, Ice\" <alice>, bob@host (x@y) ,carol@a.b", "alice| bob|host carol|a.b",
	" \"Al, Ice\" <alice@or.ig>, bob@host.do.main (x@y) ,carol@a.b"},
    {" \"a b\"", "a_b|", " \"a b\"@or.ig"},
    {" alice@", "alice|", " alice@or.ig"},
    {" alice@ (none)", "alice|", " alice@or.ig (none)"},
    {" <@a,@b:joe@c>", "joe|c", " <@a,@b:joe@c.do.main>"},
    {" <@a:joe>", "joe|", " <@a:joe@or.ig>"},
    {" Friends: alice, bob@host;, carol", "alice| bob|host carol|",
	" Friends: alice@or.ig, bob@host.do.main;, carol@or.ig"},
    {"\r\n alice,\r\n\tbob", "alice| bob|", "\r\n alice@or.ig,\r\n\tbob@or.ig"},
    {" a@[192.0.2.1], b@[IPv6:::1]", "a|[192.0.2.1] b|[IPv6:::1]", NULL},
    /* a quoted word, obsolete dots */
    {" \"a\".\"b c\"@d.e", "a.b_c|d.e", NULL},
    {" a . b @ c . d", "a.b|c.d", NULL},
    {" \"a\\\"b\"@c.d", "a\"b|c.d", NULL},
    {" \"a@b\"@c.d", "a@b|c.d", NULL},
    {" \"a\r\n b\"@c.d", "a_b|c.d", NULL},
    /* what is no address */
    {"", "", NULL},
    {" ,, ,", "", NULL},
    {" <>", "", NULL},
    {" Nobody <>, a@b.c", "a|b.c", NULL},
    {" Alice Smith", "Alice_Smith|", NULL},
    {" a@b@c.d", "a@b|c.d", NULL},
    {" @b.c", "", NULL},
    {" <a@b.c> <d@e.f>", "a|b.c d|e.f", NULL},
    {" <a@b.c", "a|b.c", NULL},
    {" \"unclosed <a@b.c>", "unclosed_<a@b.c>|", NULL},
    {" (unclosed <a@b.c>", "", NULL},
    {" a@b.c)", "a|b.c)", NULL},
    {" )", ")|", " )@or.ig"},
    {" a\\,b@c.d", "a,b|c.d", NULL},
    {" [a]", "[a]|", NULL},
    {" a\\", "a\\|", NULL},
    /* a backslash quotes no line end */
    {" a\\\r\n", "a\\|", NULL},
    {" a\\\r\n b@c.d", "a\\_b|c.d", NULL},
    {" a@b\\\r\n", "a|b\\", NULL},
    {" (x\\\r\n) a", "a|", " (x\\\r\n) a@or.ig"},
    {" a@[unclosed", "a|[unclosed", NULL},
};

static void
write_list(const struct header_addresses *l, struct buf *out)
{
	for (size_t i = 0; i < l->n; i++) {
		size_t from = out->len;

		buf_printf(out, "%s%.*s|%.*s", i > 0 ? "\n" : "", STR_ARG(l->list[i].local),
		    STR_ARG(l->list[i].domain));
		for (; from < out->len; from++)
			if (out->data[from] == ' ')
				out->data[from] = '_';
			else if (out->data[from] == '\n')
				out->data[from] = ' ';
	}
}

static void
test_lists(void **state)
{
	const struct header_qualify with = {STR("or.ig"), STR("do.main")};

	(void)state;
	for (size_t i = 0; i < COUNT(lists); i++) {
		struct header_addresses found = {0};
		struct buf text = {0}, changed = {0};
		struct arena *a = arena_new(0);
		struct str value = str_c(lists[i].value);
		bool did;

		header_addresses(value, a, 100, &found);
		write_list(&found, &text);
		if (strcmp(buf_cstr(&text), lists[i].addresses) != 0)
			fail_msg("\"%s\": \"%s\"", lists[i].value, buf_cstr(&text));
		did = header_qualify(value, &with, &changed);
		if (did != (lists[i].qualified != NULL) ||
		    strcmp(buf_cstr(&changed), did ? lists[i].qualified : lists[i].value) != 0)
			fail_msg("\"%s\": %d, \"%s\"", lists[i].value, did, buf_cstr(&changed));
		buf_free(&text);
		buf_free(&changed);
		arena_free(&a);
	}
}

static void
test_qualify_parts(void **state)
{
	struct header_qualify with = {STR("or.ig"), STR_EMPTY};
	struct buf b = {0};

	(void)state;
	assert_true(header_qualify(STR("a, b@c"), &with, &b));
	assert_string_equal(buf_cstr(&b), "a@or.ig, b@c");
	with = (struct header_qualify){STR_EMPTY, STR("do.main")};
	buf_reset(&b);
	assert_true(header_qualify(STR("a, b@c"), &with, &b));
	assert_string_equal(buf_cstr(&b), "a, b@c.do.main");
	with = (struct header_qualify){STR_EMPTY, STR_EMPTY};
	buf_reset(&b);
	assert_false(header_qualify(STR("a, b@c"), &with, &b));
	assert_string_equal(buf_cstr(&b), "a, b@c");
	buf_free(&b);
}

/* The longest line of a folded field whose name takes COLUMN bytes. */
static size_t
longest_line(struct str s, size_t column)
{
	size_t longest = 0, end;

	while ((end = str_find(s, STR("\r\n"))) != STR_NPOS) {
		longest = column + end > longest ? column + end : longest;
		column = 0;
		s = str_from(s, end + 2);
		assert_true(s.data[0] == ' ' || s.data[0] == '\t');
	}
	return column + s.len > longest ? column + s.len : longest;
}

/* Folded behind commas between addresses alone, where a line would be too long, and nothing else changed. */
static void
test_fold_list(void **state)
{
	static const char *const parts[] = {"user@or.ig", "\"a, \\\" b\" <@r,@s:x@y>",
	    "(c, (d, \\) e)) z@[1,2]", "on its\r\n own line", "g:;"};

	(void)state;
	for (size_t i = 0; i < COUNT(parts); i++) {
		for (size_t n = 1; n < 400; n += 13) {
			struct buf list = {0}, folded = {0}, again = {0};

			for (size_t j = 0; j < n; j++)
				buf_printf(&list, "%s%s",
				    j == 0      ? " "
					: j % 2 ? ","
						: ", ",
				    parts[i]);
			header_fold_list(buf_view(&list), 3, &folded);
			assert_true(longest_line(buf_view(&folded), 3) <= 998);
			if (longest_line(buf_view(&list), 3) <= 998)
				assert_string_equal(buf_cstr(&folded), buf_cstr(&list));
			/* Without the folds it is what it was; they stand behind commas. */
			for (size_t at = 0; at < folded.len; at++) {
				bool fold =
				    folded.data[at] == '\r' && at > 0 && folded.data[at - 1] == ',';

				if (fold)
					at += folded.data[at + 2] == '\t' ? 3 : 2;
				buf_putc(&again, folded.data[at]);
			}
			assert_string_equal(buf_cstr(&again), buf_cstr(&list));
			buf_free(&list);
			buf_free(&folded);
			buf_free(&again);
		}
	}
}

/* The number of addresses is the caller's to limit: just below, just above. */
static void
test_max(void **state)
{
	struct arena *a = arena_new(0);
	struct header_addresses found = {0};

	(void)state;
	header_addresses(STR("a, b, c"), a, 3, &found);
	assert_int_equal(found.n, 3);
	assert_false(found.truncated);
	found = (struct header_addresses){0};
	header_addresses(STR("a, b, c, d"), a, 3, &found);
	assert_int_equal(found.n, 3);
	assert_true(found.truncated);
	arena_free(&a);
}

static const struct {
	const char *header, *addresses;
} recipients[] = {
    {"To: a@b\r\nSubject: c@d\r\nCC: e@f\r\nbcc: g@h,\r\n i@j\r\n\r\nTo: body@x\r\n",
	"a|b e|f g|h i|j"},
    {"To: a@b\nResent-To: c@d\nCc: e@f\nResent-Bcc: g@h\n", "c|d g|h"},
    {"Resent-From: a@b\nTo: c@d\n", "c|d"},
    {"From: a@b\nReply-To: c@d\nApparently-To: e@f\n", ""},
    {"", ""},
};

static void
test_recipients(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(recipients); i++) {
		struct header_addresses found = {0};
		struct arena *a = arena_new(0);
		struct buf text = {0};

		header_recipients(str_c(recipients[i].header), a, 100, &found);
		write_list(&found, &text);
		assert_string_equal(buf_cstr(&text), recipients[i].addresses);
		buf_free(&text);
		arena_free(&a);
	}
	assert_int_equal(header_role(STR("from")), HEADER_SENDER);
	assert_int_equal(header_role(STR("RESENT-CC")), HEADER_RESENT_RECIPIENT);
	assert_int_equal(header_role(STR("Subject")), HEADER_OTHER);
	assert_int_equal(header_role(STR("T")), HEADER_OTHER);
}

static const struct {
	const char *name, *phrase;
} phrases[] = {
    {"Alice Smith", "Alice Smith"},
    {"  Alice ", "Alice"},
    {"Alice O'Hara", "Alice O'Hara"},
    {"Smith, Alice", "\"Smith, Alice\""},
    {"A. \"B\" \\ C", "\"A. \\\"B\\\" \\\\ C\""},
    {"Alice\r\nBcc: x", "\"Alice  Bcc: x\""},
    {"Alice (x)", "\"Alice (x)\""},
    {"J\xc3\xbcrgen", "=?utf-8?B?SsO8cmdlbg==?="},
    {"J\xfcrgen", "=?unknown-8bit?B?SvxyZ2Vu?="},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3\xa4",
	"=?utf-8?B?YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=?=\r\n "
	"=?utf-8?B?w6Q=?="},
};

static void
test_phrases(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(phrases); i++) {
		struct buf b = {0};

		header_phrase(str_c(phrases[i].name), &b);
		assert_string_equal(buf_cstr(&b), phrases[i].phrase);
		buf_free(&b);
	}
}

/*
 * Ten megabytes of what makes careless scanners quadratic: if one byte were looked at once for each of
 * the others, this test would not end in a lifetime.
 */
static void
test_linear(void **state)
{
	static const char *const units[] = {"(", ")", "\"", "\\", "<", ">", "@", ",", ":", ";", "[",
	    "a ", "a@", "<a,", "(\"", "a(", "\r\n ", "@,", "a.", ". ", "<@a,", "a:<b>", "\\(("};
	const struct header_qualify with = {STR("o"), STR("d")};
	size_t target = (size_t)10 << 20;

	(void)state;
	for (size_t u = 0; u < COUNT(units); u++) {
		size_t unit = strlen(units[u]);
		struct header_addresses found = {0};
		struct header_field field;
		struct arena *a = arena_new(0);
		struct buf in = {0}, out = {0};
		struct str rest;

		buf_puts(&in, "To:");
		while (in.len + unit < target / (unit > 2 ? 4 : 8))
			buf_append(&in, units[u], unit);
		buf_puts(&in, "\r\n");
		rest = buf_view(&in);
		assert_true(header_next(&rest, &field));
		assert_int_equal(rest.len, 0);
		header_addresses(field.value, a, 1000, &found);
		assert_true(found.n <= 1000);
		header_qualify(field.value, &with, &out);
		/* Nothing but "@o" or ".d" per address was added. */
		assert_true(out.len >= field.value.len && out.len <= field.value.len * 3);
		buf_free(&in);
		buf_free(&out);
		arena_free(&a);
	}
}

/* Taking what was put in out again gives the value back: all other bytes are where they were. */
static void
test_qualify_bytes(void **state)
{
	static const char bytes[] = "ab.@\"\\<>[]:,; ()\r\n\t";
	const struct header_qualify with = {STR("\x01"), STR("\x02")};
	uint64_t seed = 88172645463325252u;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		struct buf in = {0}, out = {0};
		size_t from = 0;

		for (int n = 0; n < i % 24; n++) {
			seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
			buf_putc(&in, bytes[seed % (sizeof bytes - 1)]);
		}
		header_qualify(buf_view(&in), &with, &out);
		for (size_t o = 0; o < out.len; o++) {
			if (out.data[o] == '\x02' || out.data[o] == '\x01')
				continue;
			if ((out.data[o] == '@' || out.data[o] == '.') && o + 1 < out.len &&
			    out.data[o + 1] == (out.data[o] == '@' ? '\x01' : '\x02') &&
			    !(from < in.len && in.data[from] == '@' && out.data[o] == '@'))
				continue;
			if (from >= in.len || in.data[from++] != out.data[o])
				fail_msg("\"%s\" became \"%s\"", buf_cstr(&in), buf_cstr(&out));
		}
		assert_int_equal(from, in.len);
		buf_free(&in);
		buf_free(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_fields),
	    cmocka_unit_test(test_unfold),
	    cmocka_unit_test(test_lists),
	    cmocka_unit_test(test_qualify_parts),
	    cmocka_unit_test(test_fold_list),
	    cmocka_unit_test(test_max),
	    cmocka_unit_test(test_recipients),
	    cmocka_unit_test(test_phrases),
	    cmocka_unit_test(test_linear),
	    cmocka_unit_test(test_qualify_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
