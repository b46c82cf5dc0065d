/*
 * test_downgrade - the walk over MIME structure, the encoders, and 8-bit content made 7-bit
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/mail/downgrade.h"
#include "lib/mail/transfer.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct mime_limits usual = {102400, 100, 2048};

/* --- The walk ------------------------------------------------------------------------------- */

/* What came out: every byte, and a trace of the events, pieces of one kind joined. */
struct record {
	struct buf bytes, trace;
	enum mime_text last;
	bool in_text;
};

static void
tell(struct record *r, const char *what)
{
	buf_printf(&r->trace, "%s%s", r->trace.len > 0 ? " " : "", what);
	r->in_text = false;
}

static bool
record_field(void *arg, enum mime_header header, struct str field, bool whole)
{
	static const char *const names[] = {"F", "P", "N"};
	struct record *r = arg;

	buf_str(&r->bytes, field);
	if (whole)
		tell(r, names[header]);
	else if (!r->in_text || r->last != (enum mime_text)9)
		tell(r, "piece");
	r->in_text = !whole;
	r->last = (enum mime_text)9;
	return true;
}

static bool
record_header_end(void *arg, const struct mime_part *part, struct str line)
{
	static const char *const kinds[] = {"leaf", "multipart", "message"};
	struct record *r = arg;

	buf_str(&r->bytes, line);
	tell(r, kinds[part->kind]);
	if (line.len == 0)
		buf_puts(&r->trace, "!");
	if (part->kind == MIME_LEAF && part->container)
		buf_puts(&r->trace, "(container)");
	if (part->kind == MIME_LEAF && !part->text)
		buf_puts(&r->trace, "(data)");
	return true;
}

static bool
record_text(void *arg, enum mime_text what, struct str piece)
{
	static const char *const names[] = {"body", "between", "--"};
	struct record *r = arg;

	assert_true(piece.len > 0);
	buf_str(&r->bytes, piece);
	if (!r->in_text || r->last != what || what == MIME_TEXT_DELIMITER)
		tell(r, names[what]);
	r->in_text = true;
	r->last = what;
	return true;
}

static bool
record_leaf_end(void *arg, bool delimited)
{
	tell(arg, delimited ? "end" : "last");
	return true;
}

static const struct mime_events recorder = {
    record_field, record_header_end, record_text, record_leaf_end};

static void
walk(struct str in, size_t step, const struct mime_limits *limits, struct record *r)
{
	struct mime_walk *w = mime_walk_new(limits, &recorder, r);
	struct str rest = in;

	while (rest.len > 0) {
		assert_true(mime_walk_data(w, str_sub(rest, 0, step)));
		rest = str_from(rest, step);
	}
	assert_true(mime_walk_end(w));
	mime_walk_free(&w);
	/* Every byte comes out, in order. */
	assert_int_equal(r->bytes.len, in.len);
	assert_memory_equal(r->bytes.data, in.data, in.len);
}

static void
forget(struct record *r)
{
	buf_free(&r->bytes);
	buf_free(&r->trace);
	*r = (struct record){0};
}

#define MULTI "Content-Type: multipart/mixed; boundary=b\r\n\r\n"

static const struct {
	const char *in, *trace;
} walks[] = {
    {"", "leaf! last"},
    {"Subject: x\r\n", "F leaf! last"},
    {"Subject: x\r\n\r\n", "F leaf last"},
    {"Subject: x\r\n y\r\nTo: z\r\n\r\nbody\r\n", "F F leaf body last"},
    {"Subject: x\n\nbody", "F leaf body last"},
    {"no header\r\nbody\r\n", "leaf! body last"},
    {" continues nothing\r\nTo: z\r\n\r\nbody\r\n", "piece F leaf body last"},
    {MULTI "pre\r\n--b\r\nA: b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\nepi\r\n--b\r\n",
	"F multipart between -- P leaf body end -- leaf body end -- between"},
    {MULTI "--b\r\n\r\n--b \t\r\n\r\n--b--", "F multipart -- leaf end -- leaf end --"},
    /* No delimiters: other text behind them, other boundaries, not at the beginning of a line. */
    {MULTI
	"--b\r\n\r\n--bb\r\n--bx--\r\n --b\r\nx--b\r\n-b\r\n-\r\n--\r\n--b-\r\n--b--x\r\n--B\r\n",
	"F multipart -- leaf body last"},
    {"Content-type: MULTIPART/Mixed (x); charset=\"a;b=boundary\"; Boundary = \"b c\" ; x\r\n\r\n"
     "--b c\r\n\r\nx\r\n--b c--\r\n",
	"F multipart -- leaf body end --"},
    {"Content-Type: multipart/mixed;\r\n\tboundary=\"q\\\"r\"\r\n\r\n--q\"r\r\n\r\nx",
	"F multipart -- leaf body last"},
    /* The first of two counts. */
    {"Content-Type: multipart/mixed; boundary=b\r\nContent-Type: text/plain\r\n\r\n--b\r\n\r\nx",
	"F F multipart -- leaf body last"},
    {"Content-Type: multipart/mixed\r\n\r\n--b\r\n\r\nx", "F leaf(container)(data) body last"},
    {"Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n\r\nx",
	"F leaf(container)(data) body last"},
    {"Content-Type: image/png\r\n\r\nx", "F leaf(data) body last"},
    {"Content-Type: text\r\n\r\nx", "F leaf body last"},
    /* Nested: the outer delimiter ends all within; prefixes of each other do not matter. */
    {MULTI "--b\r\nContent-Type: multipart/mixed; boundary=bb\r\n\r\n--bb\r\n\r\nx\r\n--b\r\n\r\ny"
	   "\r\n--bb\r\n--b--\r\n",
	"F multipart -- P multipart -- leaf body end -- leaf body end --"},
    {MULTI "--b\r\nContent-Type: multipart/mixed; boundary=b2\r\n\r\n--b2\r\n\r\nx\r\n--b2--\r\n"
	   "--b\r\n\r\ny\r\n--b--\r\n",
	"F multipart -- P multipart -- leaf body end -- -- leaf body end --"},
    /* Attached messages. */
    {"Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nbody\r\n",
	"F message N leaf body last"},
    {"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3ViamVjdA==\r\n",
	"F F leaf(data) body last"},
    {"Content-Type: message/rfc822\r\n", "F message! leaf! last"},
    {MULTI "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n--b\r\n\r\nx",
	"F multipart -- P message N leaf! end -- leaf body last"},
    {"Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: "
     "in\r\n\r\nbody\r\n--b\r\n"
     "Content-Type: text/plain\r\n\r\nx\r\n--b--\r\n",
	"F multipart -- message N leaf body end -- P leaf body end --"},
    {"Content-Type: message/partial; id=x\r\n\r\nx", "F leaf(data) body last"},
    /* Headers without an empty line. */
    {MULTI "--b\r\nA: b\r\n--b\r\nC: d\r\nno field\r\n--b--\r\n",
	"F multipart -- P leaf! end -- P leaf! body end --"},
    {"Content-Type: multipart/mixed; boundary=b\r\n--b\r\n\r\nx", "F multipart! -- leaf body last"},
    {MULTI "--b\r\nContent-Type: message/rfc822\r\n--b--\r\n",
	"F multipart -- P message! leaf! end --"},
};

static void
test_walk(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(walks); i++)
		for (size_t step = 1; step < 200; step = step < 10 ? step + 1 : step * 2) {
			struct record r = {0};

			walk(str_c(walks[i].in), step, &usual, &r);
			if (!str_eq(buf_view(&r.trace), str_c(walks[i].trace)))
				fail_msg("case %zu by %zu: %s", i, step, buf_cstr(&r.trace));
			forget(&r);
		}
}

/* COUNT times multipart within multipart, then a part of the innermost. */
static void
nest(size_t count, struct buf *out)
{
	for (size_t i = 0; i < count; i++)
		buf_printf(
		    out, "Content-Type: multipart/mixed; boundary=b%zu\r\n\r\n--b%zu\r\n", i, i);
	buf_puts(out, "\r\nx\r\n");
}

static void
test_walk_limits(void **state)
{
	struct mime_limits limits = {102400, 3, 70};
	struct buf in = {0};
	struct record r = {0};

	(void)state;
	nest(3, &in);
	walk(buf_view(&in), 7, &limits, &r);
	assert_string_equal(
	    buf_cstr(&r.trace), "F multipart -- P multipart -- P multipart -- leaf body last");
	buf_reset(&in);
	forget(&r);
	nest(4, &in);
	walk(buf_view(&in), 7, &limits, &r);
	assert_string_equal(buf_cstr(&r.trace),
	    "F multipart -- P multipart -- P multipart -- P leaf(container)(data) body last");
	/* Boundaries: one of 70, one of 71. */
	for (int n = 70; n <= 71; n++) {
		buf_reset(&in);
		forget(&r);
		buf_printf(&in,
		    "Content-Type: multipart/mixed; boundary=%0*d\r\n\r\n--%0*d\r\n\r\nx", n, 1, n,
		    1);
		walk(buf_view(&in), 7, &limits, &r);
		assert_string_equal(buf_cstr(&r.trace),
		    n == 70 ? "F multipart -- leaf body last"
			    : "F leaf(container)(data) body last");
	}
	/* Fields: of field_max, and of one byte more, in one line and in two. */
	limits.field_max = 1000;
	for (int n = 1000; n <= 1001; n++)
		for (int fold = 0; fold <= 1; fold++) {
			buf_reset(&in);
			forget(&r);
			buf_printf(&in, "A: b\r\nX:%s%0*d\r\nC: d\r\n\r\nx", fold ? "\r\n " : "",
			    n - (fold ? 7 : 4), 1);
			walk(buf_view(&in), 7, &limits, &r);
			assert_string_equal(buf_cstr(&r.trace),
			    n == 1000 ? "F F F leaf body last" : "F piece F leaf body last");
		}
	forget(&r);
	buf_free(&in);
}

/* --- Encoders ------------------------------------------------------------------------------- */

static const struct {
	enum transfer_encoding encoding;
	bool delimited;
	const char *in, *out;
} encoded[] = {
    {TRANSFER_QUOTED, false, "", ""},
    {TRANSFER_QUOTED, false, "abc", "abc"},
    {TRANSFER_QUOTED, true, "a=b\r\n\xc3\xa4\r\n", "a=3Db\r\n=C3=A4\r\n"},
    {TRANSFER_QUOTED, true, "a \r\nb\t\r\n  \r\n a b\r\n", "a=20\r\nb=09\r\n =20\r\n a b\r\n"},
    {TRANSFER_QUOTED, true, "a ", "a=20"},
    {TRANSFER_QUOTED, true, "a\rb\nc\r", "a=0Db=0Ac=0D"},
    {TRANSFER_QUOTED, true, "a \r\r\n \rb \n", "a =0D\r\n =0Db =0A"},
    {TRANSFER_QUOTED, false, "\x01\x1f\x7f\xff", "=01=1F=7F=FF"},
    {TRANSFER_QUOTED, false,
	"123456789012345678901234567890123456789012345678901234567890123456789012345",
	"123456789012345678901234567890123456789012345678901234567890123456789012345"},
    {TRANSFER_QUOTED, false,
	"1234567890123456789012345678901234567890123456789012345678901234567890123456",
	"123456789012345678901234567890123456789012345678901234567890123456789012345=\r\n6"},
    {TRANSFER_QUOTED, false,
	"1234567890123456789012345678901234567890123456789012345678901234567890123\xff",
	"1234567890123456789012345678901234567890123456789012345678901234567890123=\r\n=FF"},
    {TRANSFER_BASE64, false, "", ""},
    {TRANSFER_BASE64, false, "a\r\n", "YQ0K\r\n"},
    {TRANSFER_BASE64, true, "a\r\n", "YQ==\r\n"},
    {TRANSFER_BASE64, true, "a\n", "YQ==\r\n"},
    {TRANSFER_BASE64, true, "a\r", "YQ0=\r\n"},
    {TRANSFER_BASE64, true, "\r\n\r\n\r\n", "DQoNCg==\r\n"},
    {TRANSFER_BASE64, true, "\r\r\n\n\r\n", "DQ0KCg==\r\n"},
    {TRANSFER_BASE64, false, "123456789012345678901234567890123456789012345678901234567",
	"MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3\r\n"},
    {TRANSFER_BASE64, false, "1234567890123456789012345678901234567890123456789012345678",
	"MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3\r\n"
	"OA==\r\n"},
};

static void
test_encoders(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(encoded); i++)
		for (size_t step = 1; step < 80; step++) {
			struct transfer_encoder e;
			struct str rest = str_c(encoded[i].in);
			struct buf out = {0};

			transfer_encoder_init(&e, encoded[i].encoding);
			while (rest.len > 0) {
				transfer_encode(&e, str_sub(rest, 0, step), &out);
				rest = str_from(rest, step);
			}
			transfer_encode_end(&e, encoded[i].delimited, &out);
			if (!str_eq(buf_view(&out), str_c(encoded[i].out)))
				fail_msg("case %zu by %zu: %s", i, step, buf_cstr(&out));
			buf_free(&out);
		}
}

/* --- Downgrade ------------------------------------------------------------------------------ */

static bool
take_field(void *arg, enum mime_header header, struct str field, bool whole)
{
	(void)header, (void)whole;
	buf_str(arg, field);
	return true;
}

static bool
take_header_end(void *arg, const struct mime_part *part, struct str line)
{
	(void)part;
	buf_str(arg, line);
	return true;
}

static bool
take_text(void *arg, enum mime_text what, struct str piece)
{
	(void)what;
	buf_str(arg, piece);
	return true;
}

static bool
take_leaf_end(void *arg, bool delimited)
{
	(void)arg, (void)delimited;
	return true;
}

static const struct mime_events taker = {take_field, take_header_end, take_text, take_leaf_end};

static bool
convert_as(struct str in, size_t step, const struct mime_limits *limits, bool sure, struct buf *out,
    struct buf *why)
{
	struct downgrade *d = downgrade_new(limits, DOWNGRADE_LOOK_AHEAD, sure, &taker, out);
	bool ok = true;

	for (; ok && in.len > 0; in = str_from(in, step))
		ok = downgrade_data(d, str_sub(in, 0, step));
	ok = ok && downgrade_end(d);
	buf_str(why, downgrade_why(d));
	assert_true(ok == (why->len == 0));
	downgrade_free(&d);
	return ok;
}

static bool
convert(
    struct str in, size_t step, const struct mime_limits *limits, struct buf *out, struct buf *why)
{
	return convert_as(in, step, limits, true, out, why);
}

#define CTE "Content-Transfer-Encoding: "
#define PLAIN "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
#define OCTETS "MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
#define MIXED "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
#define UE "\xc3\xbc"

static const struct {
	const char *in, *out; /* out NULL: the same; "!text": refused, because of text */
} conversions[] = {
    {PLAIN CTE "8bit\r\nX: y\r\n\r\n" UE "\r\n",
	PLAIN CTE "quoted-printable\r\nX: y\r\n\r\n=C3=BC\r\n"},
    {PLAIN "X: y\r\n\r\n" UE "\r\n", PLAIN "X: y\r\n" CTE "quoted-printable\r\n\r\n=C3=BC\r\n"},
    {PLAIN CTE "7bit\r\n\r\n" UE, PLAIN CTE "quoted-printable\r\n\r\n=C3=BC"},
    /* 7-bit already: as it was, but for a wrong label. */
    {PLAIN CTE "7bit\r\nX: y\r\n\r\na=b \r\n", NULL},
    {PLAIN "\r\nabc\r\n", NULL},
    {PLAIN CTE "8bit\r\nX: y\r\n\r\na=b \r\n", PLAIN CTE "7bit\r\nX: y\r\n\r\na=b \r\n"},
    {PLAIN CTE "binary\r\n" CTE "8bit\r\n\r\nabc", PLAIN CTE "7bit\r\n\r\nabc"},
    {"Subject: x\r\n", NULL},
    {"", NULL},
    /* Labels that are missing: what it is, or that nobody knows. */
    {"Subject: x\r\n\r\n" UE "\r\n",
	"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n" CTE
	"quoted-printable\r\n\r\n=C3=BC\r\n"},
    {"Subject: x\r\n\r\n\xfc\r\n",
	"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n" CTE
	"quoted-printable\r\n\r\n=FC\r\n"},
    {UE ": x\r\n", PLAIN CTE "quoted-printable\r\n\r\n=C3=BC: x\r\n"},
    /* Header fields stay as they are. */
    {"Subject: " UE "\r\n" PLAIN CTE "8bit\r\n\r\n" UE,
	"Subject: " UE "\r\n" PLAIN CTE "quoted-printable\r\n\r\n=C3=BC"},
    /* Data: base64 where that is shorter. */
    {OCTETS CTE "8bit\r\n\r\n\xff\xfe\r\n", OCTETS CTE "base64\r\n\r\n//4NCg==\r\n"},
    {OCTETS CTE "8bit\r\n\r\nabcdefghijklmnopq" UE "\r\n",
	OCTETS CTE "quoted-printable\r\n\r\nabcdefghijklmnopq=C3=BC\r\n"},
    {MIXED CTE "8bit\r\n\r\n--b\r\nContent-Type: image/x\r\n" CTE "binary\r\n\r\n\xff\r\n--b--\r\n",
	MIXED CTE "7bit\r\n\r\n--b\r\nContent-Type: image/x\r\n" CTE
		  "base64\r\n\r\n/w==\r\n--b--\r\n"},
    /* Containers; parts that need nothing stay as they are; what is no part is for nobody. */
    {MIXED CTE "8bit\r\n\r\npr" UE "\r\n--b\r\n" CTE "7bit\r\nX: y\r\n\r\nabc\r\n--b\r\n\r\n" UE
	       "\r\n--b--\r\n" UE "\r\n",
	MIXED CTE "7bit\r\n\r\npr??\r\n--b\r\n" CTE "7bit\r\nX: y\r\n\r\nabc\r\n--b\r\n"
		  "Content-Type: text/plain; charset=utf-8\r\n" CTE
		  "quoted-printable\r\n\r\n=C3=BC\r\n--b--\r\n??\r\n"},
    {MIXED CTE "binary\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n",
	MIXED CTE "7bit\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n"},
    {MIXED "\r\n--b\r\nContent-Type: message/rfc822\r\n" CTE "8bit\r\n\r\nSubject: x\r\n" PLAIN CTE
	   "8bit\r\n\r\n" UE "\r\n--b--\r\n",
	MIXED "\r\n--b\r\nContent-Type: message/rfc822\r\n" CTE
	      "7bit\r\n\r\nSubject: x\r\n" PLAIN CTE "quoted-printable\r\n\r\n=C3=BC\r\n--b--\r\n"},
    {MIXED "\r\n--b\r\nContent-Type: message/global\r\n" CTE "8bit\r\n\r\nSubject: " UE
	   "\r\n\r\n--b--\r\n",
	MIXED "\r\n--b\r\nContent-Type: message/global\r\n" CTE
	      "quoted-printable\r\n\r\nSubject: =C3=BC\r\n\r\n--b--\r\n"},
    /* Encoded already. */
    {PLAIN CTE "Quoted-Printable\r\n\r\na=\r\n=3D" UE "\r\n",
	PLAIN CTE "Quoted-Printable\r\n\r\na=\r\n=3D=C3=BC\r\n"},
    {PLAIN CTE "base64 (x)\r\n\r\nYW" UE "Jj\r\n", PLAIN CTE "base64 (x)\r\n\r\nYWJj\r\n"},
    {PLAIN CTE "x-uuencode\r\n\r\nabc\r\n", NULL},
    /* Common misspellings. */
    {PLAIN CTE "8-bit\r\n\r\n" UE, PLAIN CTE "quoted-printable\r\n\r\n=C3=BC"},
    {PLAIN CTE "UTF-8\r\n\r\nabc", PLAIN CTE "7bit\r\n\r\nabc"},
    /* What cannot be. */
    {PLAIN CTE "x-uuencode\r\n\r\nab" UE "\r\n", "!unknown Content-Transfer-Encoding"},
    {"Content-Type: multipart/mixed\r\n\r\n" UE, "!no boundary"},
    {"Content-Type: message/partial; id=1\r\n" CTE "8bit\r\n\r\n" UE, "!message/partial"},
    {"Content-Type: message/external-body; access-type=x\r\n\r\n" UE, "!message/external-body"},
    {"Content-Type: multipart/mixed; boundary=" UE "\r\n\r\n--" UE "\r\n\r\nx", "!the boundary"},
    {"Content-Type: multipart/mixed\r\n" CTE "8bit\r\n\r\nabc",
	"Content-Type: multipart/mixed\r\n" CTE "7bit\r\n\r\nabc"},
};

static void
test_conversions(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(conversions); i++)
		for (size_t step = 1; step < 300; step = step < 10 ? step + 1 : step * 3) {
			const char *expected =
			    conversions[i].out ? conversions[i].out : conversions[i].in;
			struct buf out = {0}, why = {0};
			bool ok = convert(str_c(conversions[i].in), step, &usual, &out, &why);

			if (expected[0] == '!') {
				if (ok || strncmp(buf_cstr(&why), "5.6.3 ", 6) != 0 ||
				    !strstr(buf_cstr(&why), expected + 1))
					fail_msg("case %zu by %zu: %s", i, step, buf_cstr(&why));
			} else if (!ok || !str_eq(buf_view(&out), str_c(expected))) {
				fail_msg("case %zu by %zu: %s\n%s", i, step, buf_cstr(&why),
				    buf_cstr(&out));
			}
			buf_free(&out);
			buf_free(&why);
		}
}

/* A body of N bytes "a", in lines of 71, then LAST, converted; is it quoted-printable then? */
static bool
quoted_when(bool sure, const char *label, size_t n, const char *last)
{
	struct buf in = {0}, out = {0}, why = {0};
	bool quoted;

	buf_printf(&in, PLAIN "%s\r\n", label);
	for (size_t i = 0; i < n; i++)
		buf_putc(&in, i % 73 == 72 ? '\n' : i % 73 == 71 ? '\r' : 'a');
	buf_puts(&in, last);
	assert_true(convert_as(buf_view(&in), 4096, &usual, sure, &out, &why));
	quoted = str_find(buf_view(&out), STR("quoted-printable")) != STR_NPOS;
	/* What is not converted is as it was, to the byte. */
	assert_true(quoted || str_eq(buf_view(&in), buf_view(&out)));
	buf_free(&in);
	buf_free(&out);
	buf_free(&why);
	return quoted;
}

static void
test_look_ahead(void **state)
{
	(void)state;
	assert_false(quoted_when(true, "", DOWNGRADE_LOOK_AHEAD - 1, ""));
	assert_true(quoted_when(true, "", DOWNGRADE_LOOK_AHEAD, ""));
	assert_true(quoted_when(true, "", DOWNGRADE_LOOK_AHEAD - 3, UE));
	assert_true(quoted_when(true, "", 3 * DOWNGRADE_LOOK_AHEAD, UE));
	/* When nobody knows, a label of 7 bits, or none, is believed. */
	assert_false(quoted_when(false, "", 3 * DOWNGRADE_LOOK_AHEAD, ""));
	assert_false(quoted_when(false, CTE "7bit\r\n", 3 * DOWNGRADE_LOOK_AHEAD, UE));
	assert_true(quoted_when(false, CTE "8bit\r\n", 3 * DOWNGRADE_LOOK_AHEAD, UE));
	assert_true(quoted_when(false, "", DOWNGRADE_LOOK_AHEAD - 3, UE));
}

/* Lines of 998 bytes stay, longer ones and NULs do not. */
static void
test_lines(void **state)
{
	(void)state;
	for (int n = 998; n <= 999; n++) {
		struct buf in = {0}, out = {0}, why = {0};

		buf_printf(&in, PLAIN "\r\n%0*d\r\n%0*d\r\n", n, 1, n, 1);
		assert_true(convert(buf_view(&in), 100, &usual, &out, &why));
		assert_true(str_eq(buf_view(&in), buf_view(&out)) == (n == 998));
		buf_free(&in);
		buf_free(&out);
		buf_free(&why);
	}
	{
		struct buf out = {0}, why = {0};

		assert_true(convert(str_n(PLAIN "\r\na\0b", sizeof(PLAIN "\r\na\0b") - 1), 100,
		    &usual, &out, &why));
		assert_true(str_ends_nocase(buf_view(&out), STR("\r\na=00b")));
		buf_free(&out);
		buf_free(&why);
	}
}

/* A label far from the header's end: what is held is bounded, and the label comes last. */
static void
test_large_header(void **state)
{
	struct buf in = {0}, out = {0}, why = {0};

	(void)state;
	buf_puts(&in, PLAIN CTE "8bit\r\n");
	for (int i = 0; i < 4000; i++)
		buf_printf(&in, "X-Field-%04d: some text that is a header field\r\n", i);
	buf_puts(&in, CTE "7bit\r\n\r\n" UE "\r\n");
	assert_true(convert(buf_view(&in), 1000, &usual, &out, &why));
	assert_true(str_ends_nocase(buf_view(&out),
	    STR("X-Field-3999: some text that is a header field\r\n" CTE
		"quoted-printable\r\n\r\n=C3=BC\r\n")));
	assert_true(str_find(buf_view(&out), STR("8bit")) == STR_NPOS);
	assert_true(str_find(buf_view(&out), STR("7bit")) == STR_NPOS);
	buf_free(&in);
	buf_free(&out);
	buf_free(&why);
}

static bool
stop_text(void *arg, enum mime_text what, struct str piece)
{
	(void)arg, (void)what, (void)piece;
	return false;
}

/* An event that says no stops all, without a reason of our own. */
static void
test_stopped(void **state)
{
	struct mime_events stopper = taker;
	struct buf out = {0};
	struct downgrade *d;

	(void)state;
	stopper.text = stop_text;
	d = downgrade_new(&usual, DOWNGRADE_LOOK_AHEAD, true, &stopper, &out);
	assert_true(downgrade_data(d, STR(PLAIN "\r\n" UE)));
	assert_false(downgrade_end(d));
	assert_int_equal(downgrade_why(d).len, 0);
	downgrade_free(&d);
	downgrade_free(&d);
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_walk),
	    cmocka_unit_test(test_walk_limits),
	    cmocka_unit_test(test_encoders),
	    cmocka_unit_test(test_conversions),
	    cmocka_unit_test(test_look_ahead),
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_large_header),
	    cmocka_unit_test(test_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
