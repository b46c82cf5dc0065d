/*
 * test_smtp_dots - the dot stream at every cut, sequences that smuggle, the encoder, and cost
 */
#define _GNU_SOURCE
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/smtp/dots.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct decode_case {
	struct str in;
	/* For each mode: the content, and what of the stream is left; NULL: the end was not reached. */
	struct {
		struct str out;
		const char *rest;
	} mode[3];
};

#define SAME(out, rest)                                                                            \
	{                                                                                          \
		{STR(out), rest}, {STR(out), rest},                                                \
		{                                                                                  \
			STR(out), rest                                                             \
		}                                                                                  \
	}

/* Modes in order: LF_IS_CRLF, NORMALIZE, REJECT. */
static const struct decode_case cases[] = {
    {STR(".\r\n"), SAME("", "")},
    {STR("a\r\n.\r\nQUIT\r\n"), SAME("a\r\n", "QUIT\r\n")},
    {STR("..\r\n...\r\n.a\r\n.\r\n"), SAME(".\r\n..\r\na\r\n", "")},
    {STR("a\r\n\r\n.\r\n"), SAME("a\r\n\r\n", "")},
    {STR("a.\r\n.\r\n"), SAME("a.\r\n", "")},
    {STR("no end\r\n"), SAME("no end\r\n", NULL)},
    {STR("a\0b\r\n.\r\n"), SAME("a\0b\r\n", "")},
    /* bare LF */
    {STR("a\nb\r\n.\r\n"),
	{{STR("a\r\nb\r\n"), ""}, {STR("a\r\nb\r\n"), ""}, {STR("a\nb\r\n"), ""}}},
    {STR("a\n.\nX\r\n.\r\n"),
	{{STR("a\r\n"), "X\r\n.\r\n"}, {STR("a\r\n\r\nX\r\n"), ""}, {STR("a\n.\nX\r\n"), ""}}},
    {STR("a\n.\r\nX\r\n.\r\n"),
	{{STR("a\r\n"), "X\r\n.\r\n"}, {STR("a\r\n\r\nX\r\n"), ""}, {STR("a\n.\r\nX\r\n"), ""}}},
    {STR("a\r\n.\nX\r\n.\r\n"),
	{{STR("a\r\n"), "X\r\n.\r\n"}, {STR("a\r\n\r\nX\r\n"), ""}, {STR("a\r\n\nX\r\n"), ""}}},
    {STR("a\n..\r\n.\r\n"),
	{{STR("a\r\n.\r\n"), ""}, {STR("a\r\n.\r\n"), ""}, {STR("a\n..\r\n"), ""}}},
    {STR("a\n\n.\n\n.\r\n.\r\n"),
	{{STR("a\r\n\r\n"), "\n.\r\n.\r\n"}, {STR("a\r\n\r\n\r\n\r\n\r\n"), ""},
	    {STR("a\n\n.\n\n.\r\n"), ""}}},
    /* bare CR: never an end */
    {STR("a\r.\rX\r\n.\r\n"), SAME("a\r.\rX\r\n", "")},
    {STR("a\r\n.\rX\r\n.\r\n"), SAME("a\r\n\rX\r\n", "")},
    {STR("a\r\n.\r\rX\r\n.\r\n"), SAME("a\r\n\r\rX\r\n", "")},
    {STR("a\r.\r\nX\r\n.\r\n"), SAME("a\r.\r\nX\r\n", "")},
    {STR("a\r\r\n.\r\n"), SAME("a\r\r\n", "")},
    {STR("a\r\n.\r\r\nX\r\n.\r\n"), SAME("a\r\n\r\r\nX\r\n", "")},
    {STR("\r.\r\n.\r\n"), SAME("\r.\r\n", "")},
    /* NUL at the wrong place */
    {STR("a\r\n\0.\r\nX\r\n.\r\n"), SAME("a\r\n\0.\r\nX\r\n", "")},
    {STR("a\r\n.\0\r\nX\r\n.\r\n"), SAME("a\r\n\0\r\nX\r\n", "")},
    {STR("a\r\n.\r\0\nX\r\n.\r\n"),
	{{STR("a\r\n\r\0\r\nX\r\n"), ""}, {STR("a\r\n\r\0\r\nX\r\n"), ""},
	    {STR("a\r\n\r\0\nX\r\n"), ""}}},
    {STR("a\r\0\n.\r\nX\r\n.\r\n"),
	{{STR("a\r\0\r\n"), "X\r\n.\r\n"}, {STR("a\r\0\r\n\r\nX\r\n"), ""},
	    {STR("a\r\0\n.\r\nX\r\n"), ""}}},
    /* blanks around the dot */
    {STR("a\r\n .\r\n. \r\n.\r\n"), SAME("a\r\n .\r\n \r\n", "")},
};

static bool
has_bare(struct str s, char which)
{
	for (size_t i = 0; i < s.len; i++) {
		bool pair = which == '\n' ? i > 0 && s.data[i - 1] == '\r'
					  : i + 1 < s.len && s.data[i + 1] == '\n';

		if (s.data[i] == which && !pair)
			return true;
	}
	return false;
}

static void
check_decode(const struct decode_case *c, enum dots_mode mode, size_t cut, size_t cut2)
{
	const struct str pieces[] = {
	    str_sub(c->in, 0, cut), str_sub(c->in, cut, cut2 - cut), str_from(c->in, cut2)};
	struct buf out = {0};
	size_t consumed = 0;
	struct dots d;

	dots_init(&d, mode);
	for (size_t i = 0; i < 3 && !d.ended; i++) {
		size_t n = dots_decode(&d, pieces[i], &out);

		assert_true(n == pieces[i].len || d.ended);
		consumed += n;
	}
	if (!str_eq(buf_view(&out), c->mode[mode].out) || d.ended != (c->mode[mode].rest != NULL) ||
	    (d.ended && !str_eq(str_from(c->in, consumed), str_c(c->mode[mode].rest))))
		fail_msg("case %zu, mode %d, cuts %zu %zu: \"%s\", %d, %zu taken",
		    (size_t)(c - cases), (int)mode, cut, cut2, buf_cstr(&out), d.ended, consumed);
	assert_true(d.consumed == consumed);
	assert_int_equal(d.bare_lf, has_bare(str_sub(c->in, 0, consumed), '\n'));
	assert_int_equal(d.bare_cr, has_bare(str_sub(c->in, 0, consumed), '\r'));
	buf_free(&out);
}

/* Every case in every mode, cut into three pieces at every pair of places. */
static void
test_cuts(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		for (int mode = 0; mode < 3; mode++)
			for (size_t cut = 0; cut <= cases[i].in.len; cut++)
				for (size_t cut2 = cut; cut2 <= cases[i].in.len; cut2++)
					check_decode(&cases[i], (enum dots_mode)mode, cut, cut2);
}

/*
 * All strings of six symbols over the bytes that matter, followed by a proper end: in the modes that
 * are not LF_IS_CRLF the message ends at the first CRLF.CRLF and nowhere else.
 */
static void
test_all_sequences(void **state)
{
	static const char bytes[] = {'\r', '\n', '.', 'x', '\0'};
	enum { SYMBOLS = 6, STRINGS = 5 * 5 * 5 * 5 * 5 * 5 };

	(void)state;
	for (int s = 0; s < STRINGS; s++) {
		char text[SYMBOLS + 8] = "\r\n";
		struct str in = {text + 2, SYMBOLS + 6};
		size_t expected;

		for (int i = 0, v = s; i < SYMBOLS; i++, v /= 5)
			text[2 + i] = bytes[v % 5];
		memcpy(text + 2 + SYMBOLS, "\n\r\n.\r\n", 6);
		expected =
		    (size_t)((char *)memmem(text, sizeof text, "\r\n.\r\n", 5) - text) + 5 - 2;
		for (int mode = DOTS_NORMALIZE; mode <= DOTS_REJECT; mode++) {
			struct buf out = {0};
			struct dots d;

			dots_init(&d, (enum dots_mode)mode);
			if (dots_decode(&d, in, &out) != expected || !d.ended)
				fail_msg("string %d, mode %d", s, mode);
			/* Normalised content has no LF alone. */
			if (mode == DOTS_NORMALIZE)
				assert_false(has_bare(buf_view(&out), '\n'));
			buf_free(&out);
		}
	}
}

/* BDAT: nothing is a dot line, nothing an end. */
static void
test_plain(void **state)
{
	struct str in = STR("..a\r\n.\r\nb\n.\nc\rd\r\n.\r\n\r");

	(void)state;
	for (size_t cut = 0; cut <= in.len; cut++) {
		struct buf out = {0};
		struct dots d;

		dots_init_plain(&d, DOTS_NORMALIZE);
		assert_int_equal(dots_decode(&d, str_sub(in, 0, cut), &out), cut);
		assert_int_equal(dots_decode(&d, str_from(in, cut), &out), in.len - cut);
		dots_finish_plain(&d, &out);
		assert_string_equal(buf_cstr(&out), "..a\r\n.\r\nb\r\n.\r\nc\rd\r\n.\r\n\r");
		assert_false(d.ended);
		assert_true(d.bare_lf && d.bare_cr);
		buf_free(&out);
	}
}

static const struct {
	struct str in;
	size_t line_max;
	const char *out;
} encodes[] = {
    {STR(""), 0, ".\r\n"},
    {STR("a\r\n"), 0, "a\r\n.\r\n"},
    {STR("a"), 0, "a\r\n.\r\n"},
    {STR(".\r\n..\r\n.a\r\n"), 0, "..\r\n...\r\n..a\r\n.\r\n"},
    {STR("a\n.\nb"), 0, "a . b\r\n.\r\n"},
    {STR("a\r.\rb\r"), 0, "a . b \r\n.\r\n"},
    {STR("a\r\r\n.\r\n"), 0, "a \r\n..\r\n.\r\n"},
    {STR("\r\n\r\n"), 0, "\r\n\r\n.\r\n"},
    {STR("\n.\r\n"), 0, " .\r\n.\r\n"},
    {STR("0123456789abcdef\r\n"), 16, "0123456789abcdef\r\n.\r\n"},
    {STR("0123456789abcdefg\r\n"), 16, "0123456789abcdef\r\n g\r\n.\r\n"},
    {STR("0123456789abcdef.23456789abcdef.\r\n"), 16,
	"0123456789abcdef\r\n .23456789abcdef\r\n .\r\n.\r\n"},
    {STR("0123456789abcde\xc3\xa4x"), 16, "0123456789abcde\r\n \xc3\xa4x\r\n.\r\n"},
};

static void
test_encode(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(encodes); i++) {
		struct dots_encoder e;
		struct buf out = {0};

		dots_encoder_init(&e, encodes[i].line_max);
		dots_encode(&e, encodes[i].in, &out);
		dots_encode_end(&e, &out);
		assert_string_equal(buf_cstr(&out), encodes[i].out);
		buf_free(&out);
	}
}

/* Whatever goes in comes out clean, ends once, and reads back; at every cut the same. */
static void
test_encode_random(void **state)
{
	static const char bytes[] = {'\r', '\n', '.', 'x', '\0', '\r', '\n'};
	uint64_t seed = 88172645463325252u;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		struct buf out = {0}, cut_out = {0}, back = {0};
		struct dots_encoder e;
		struct dots d;
		char text[24];
		struct str in = {text, (size_t)(i % 24)};
		size_t cut;

		for (size_t n = 0; n < in.len; n++) {
			seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
			text[n] = bytes[seed % sizeof bytes];
		}
		cut = in.len > 0 ? seed % in.len : 0;
		dots_encoder_init(&e, 0);
		dots_encode(&e, in, &out);
		dots_encode_end(&e, &out);
		dots_encoder_init(&e, 0);
		dots_encode(&e, str_sub(in, 0, cut), &cut_out);
		dots_encode(&e, str_from(in, cut), &cut_out);
		dots_encode_end(&e, &cut_out);
		assert_true(str_eq(buf_view(&out), buf_view(&cut_out)));
		assert_false(has_bare(buf_view(&out), '\n') || has_bare(buf_view(&out), '\r'));
		dots_init(&d, DOTS_REJECT);
		assert_int_equal(dots_decode(&d, buf_view(&out), &back), out.len);
		assert_true(d.ended);
		assert_true(back.len <= in.len + 2 && back.len + 2 >= in.len);
		buf_free(&out);
		buf_free(&cut_out);
		buf_free(&back);
	}
}

/*
 * Ten megabytes in one piece of what makes a line scanner look at the same bytes again and again: if it
 * did, this would not end in a lifetime.
 */
static void
test_linear(void **state)
{
	static const char *const units[] = {
	    "\r", "\n", ".", "x\r", "x\n", "\r\r\n", ".\r", ".\n", "x"};

	(void)state;
	for (size_t u = 0; u < COUNT(units); u++) {
		struct buf in = {0}, out = {0};
		struct dots_encoder e;
		struct dots d;

		while (in.len < (size_t)10 << 20)
			buf_puts(&in, units[u]);
		dots_init(&d, DOTS_NORMALIZE);
		assert_int_equal(dots_decode(&d, buf_view(&in), &out), in.len);
		assert_true(out.len <= 2 * in.len + 2);
		buf_reset(&out);
		dots_encoder_init(&e, 998);
		dots_encode(&e, buf_view(&in), &out);
		dots_encode_end(&e, &out);
		assert_true(out.len <= 3 * in.len);
		buf_free(&in);
		buf_free(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cuts),
	    cmocka_unit_test(test_all_sequences),
	    cmocka_unit_test(test_plain),
	    cmocka_unit_test(test_encode),
	    cmocka_unit_test(test_encode_random),
	    cmocka_unit_test(test_linear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
