/*
 * fuzz_lines - what both ends of SMTP say in a line, and text that changes its form on the way
 *
 * The first byte chooses: commands with their parameters, replies, values of the DSN extension, or line
 * ends and From_ lines in pieces. What is written must be read again as the same.
 */
#include <stdint.h>
#include <stdlib.h>

#include "lib/mail/dsn.h"
#include "lib/mail/lines.h"
#include "lib/smtp/bdat.h"
#include "lib/smtp/command.h"
#include "lib/smtp/reply.h"
#include "lib/store/mbox_escape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect(bool truth)
{
	if (!truth)
		abort();
}

/* --- Commands ------------------------------------------------------------------------------------- */

static void
commands(struct str line, bool utf8)
{
	struct smtp_command c;
	struct smtp_param p;
	struct smtp_bdat b;
	struct str rest;
	uint64_t size;
	enum smtp_param_status status;

	smtp_command_split(line, &c);
	expect(c.verb.len + c.arg.len <= line.len);
	expect(str_chr(c.verb, ' ') == STR_NPOS && str_trim(c.arg).len <= c.arg.len);
	if (smtp_command_keyword(c.arg, "FROM", utf8, &rest))
		expect(rest.len + 5 <= c.arg.len);
	(void)smtp_bdat_parse(c.arg, &b);
	(void)smtp_command_clean(line, utf8);
	for (rest = c.arg;;) {
		size_t before = rest.len;

		status = smtp_param_next(&rest, utf8, &p);
		if (status == SMTP_PARAM_END)
			break;
		expect(rest.len < before);
		if (status == SMTP_PARAM_BAD)
			continue;
		expect(p.key.len > 0 && p.key.len + p.value.len < before + 1);
		expect(p.has_value == (p.value.len > 0));
		expect(!p.has_value || smtp_command_clean(p.value, utf8));
		(void)smtp_size_parse(p.value, &size);
	}
}

/* --- Replies ---------------------------------------------------------------------------------------- */

static void
check_text(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		expect((text.data[i] >= ' ' && text.data[i] < 127) || text.data[i] == '\n');
}

/* What was written is well-formed and read as the code it was written with. */
static void
read_back(struct str out, int code, struct dsn dsn)
{
	struct smtp_reply r = {0};
	enum smtp_reply_status status = SMTP_REPLY_MORE;

	while (out.len > 0) {
		size_t end = str_find(out, STR("\r\n"));

		expect(end != STR_NPOS && end + 2 <= SMTP_REPLY_LINE_MAX);
		expect(status == SMTP_REPLY_MORE);
		status = smtp_reply_line(&r, str_sub(out, 0, end));
		out = str_from(out, end + 2);
	}
	expect(status == SMTP_REPLY_DONE && r.code == code);
	expect(dsn.class == 0 ||
	    (r.dsn.class == dsn.class && r.dsn.subject == dsn.subject &&
		r.dsn.detail == dsn.detail));
	smtp_reply_free(&r);
}

static void
replies(struct str lines)
{
	struct smtp_reply r = {0};
	struct buf out = {0}, joined = {0};
	struct str rest = lines, line;
	struct dsn none = {0};
	struct dsn_split split;

	while (str_token(&rest, "\n", &line)) {
		enum smtp_reply_status status = smtp_reply_line(&r, line);

		expect(r.text.len <= SMTP_REPLY_TEXT_MAX + 1 && r.lines <= SMTP_REPLY_READ_MAX);
		check_text(buf_view(&r.text));
		if (status == SMTP_REPLY_BAD)
			break;
		smtp_reply_join(&r, &joined);
		expect(str_chr(buf_view(&joined), '\n') == STR_NPOS);
		dsn_split(buf_view(&joined), &split);
		expect(split.code == r.code);
		buf_reset(&joined);
		if (status == SMTP_REPLY_DONE)
			smtp_reply_reset(&r);
	}
	smtp_reply_text(&out, lines, 554, "5.7.1");
	expect(out.len > 4);
	dsn_split(lines, &split);
	read_back(buf_view(&out), split.code ? split.code : 554, none);
	buf_reset(&out);
	smtp_reply(&out, 451, STR("4.3.0"), lines);
	read_back(buf_view(&out), 451, (struct dsn){4, 3, 0});
	buf_free(&out);
	buf_free(&joined);
	smtp_reply_free(&r);
}

/* --- The values of the DSN extension ---------------------------------------------------------------- */

static void
orcpt_again(struct str orcpt)
{
	struct buf wire = {0}, back = {0};

	for (int utf8 = 0; utf8 < 2; utf8++) {
		buf_reset(&wire);
		buf_reset(&back);
		dsn_orcpt_encode(orcpt, utf8, &wire);
		/* The encoded form may be too long for a parameter; then it is not sent. */
		if (wire.len <= DSN_ORCPT_MAX)
			expect(dsn_orcpt_parse(buf_view(&wire), utf8, &back) &&
			    str_eq(buf_view(&back), orcpt));
	}
	buf_free(&wire);
	buf_free(&back);
}

static void
dsn_values(struct str value)
{
	struct buf out = {0}, again = {0};
	char text[DSN_TEXT_SIZE];
	unsigned notify, other;
	enum dsn_ret ret;
	struct dsn dsn;
	struct str rest;

	dsn_xtext_encode(value, &out);
	expect(dsn_xtext_decode(buf_view(&out), &again) && str_eq(buf_view(&again), value));
	buf_reset(&out);
	if (dsn_orcpt_parse(value, true, &out))
		orcpt_again(buf_view(&out));
	buf_reset(&out);
	if (dsn_envid_parse(value, &out))
		expect(out.len <= DSN_ENVID_MAX && smtp_command_clean(buf_view(&out), false));
	buf_reset(&out);
	if (dsn_notify_parse(value, &notify)) {
		dsn_notify_write(notify, &out);
		expect(dsn_notify_parse(buf_view(&out), &other) && other == notify);
	}
	(void)dsn_ret_parse(value, &ret);
	if (dsn_parse(value, &dsn, &rest)) {
		dsn_text(&dsn, text);
		expect(dsn_valid(str_c(text)) && rest.len < value.len);
	}
	buf_free(&out);
	buf_free(&again);
}

/* --- Text in pieces --------------------------------------------------------------------------------- */

static void
change(struct str in, size_t step, struct buf *wire, struct buf *local, struct buf *mbox)
{
	struct lines to_wire = {0}, to_local = {0};
	struct mbox_escape escape = {0};

	for (; in.len > 0; in = str_from(in, step)) {
		struct str piece = str_sub(in, 0, step);

		lines_to_wire(&to_wire, piece, wire);
		lines_to_local(&to_local, piece, local);
		mbox_escape(&escape, piece, mbox);
	}
	lines_end(&to_wire, wire);
	lines_end(&to_local, local);
	mbox_escape_end(&escape, mbox);
}

static void
check_wire(struct str wire)
{
	for (size_t i = 0; i < wire.len; i++)
		expect(wire.data[i] != '\n' || (i > 0 && wire.data[i - 1] == '\r'));
}

/* Without the ">" that was put in, and the last line end, it is the text again. */
static void
check_mbox(struct str mbox, struct str text)
{
	struct buf plain = {0};

	expect(mbox.len == 0 || mbox.data[mbox.len - 1] == '\n');
	while (mbox.len > 0) {
		struct str line = str_sub(mbox, 0, str_chr(mbox, '\n') + 1);

		expect(!str_starts(line, STR("From ")));
		buf_str(&plain, str_starts(line, STR(">From ")) ? str_from(line, 1) : line);
		mbox = str_from(mbox, line.len);
	}
	if (text.len > 0 && text.data[text.len - 1] != '\n')
		buf_truncate(&plain, plain.len - 1);
	/* A line that began with ">From " in the text has lost its own ">" here: only lengths agree then. */
	if (str_find(text, STR(">From ")) == STR_NPOS)
		expect(str_eq(buf_view(&plain), text));
	buf_free(&plain);
}

static void
pieces(struct str text, size_t step)
{
	struct buf a[3] = {{0}, {0}, {0}}, b[3] = {{0}, {0}, {0}}, again = {0};
	struct lines back = {0};

	change(text, SIZE_MAX, &a[0], &a[1], &a[2]);
	change(text, step, &b[0], &b[1], &b[2]);
	for (size_t i = 0; i < 3; i++)
		expect(str_eq(buf_view(&a[i]), buf_view(&b[i])));
	check_wire(buf_view(&a[0]));
	check_mbox(buf_view(&a[2]), text);
	/* Wire form to local form and back is the same wire form, unless a CR stood before a line end. */
	buf_reset(&a[1]);
	lines_to_local(&back, buf_view(&a[0]), &a[1]);
	lines_end(&back, &a[1]);
	back = (struct lines){0};
	lines_to_wire(&back, buf_view(&a[1]), &again);
	lines_end(&back, &again);
	if (str_find(buf_view(&a[0]), STR("\r\r\n")) == STR_NPOS)
		expect(str_eq(buf_view(&again), buf_view(&a[0])));
	for (size_t i = 0; i < 3; i++) {
		buf_free(&a[i]);
		buf_free(&b[i]);
	}
	buf_free(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest;

	if (size == 0)
		return 0;
	rest = str_n(data + 1, size - 1);
	switch (data[0] % 4) {
	case 0:
		commands(rest, data[0] & 4);
		break;
	case 1:
		replies(rest);
		break;
	case 2:
		dsn_values(rest);
		break;
	default:
		pieces(rest, data[0] / 4 + 1u);
	}
	return 0;
}
