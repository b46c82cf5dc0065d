/*
 * intake - the stream: line ends, header or body, and the way to the sink
 *
 * The content is a stranger's. Three steps follow each other, and none looks at a byte twice: CRs and
 * LFs that stand alone are replaced; while the header lasts one field at a time is gathered and given to
 * intake_field(); what comes out is collected so that a small message is one call of the sink.
 */
#include <string.h>

#include "lib/intake/intake_private.h"

#define COLLECT_MAX 32768     /* given to the sink when so much has come together */
#define DIRECT_MIN 8192       /* pieces from this size on go to the sink without being copied */
#define HEADER_LIMIT_MIN 1024 /* a field's name must fit, whatever header_size_limit says */
#define UTF8_TAIL_MAX 3       /* bytes of a character behind its first */

struct intake *
intake_new(const struct intake_context *context, intake_sink *sink, void *sink_arg)
{
	struct intake *in = MEM_NEW(struct intake);
	const struct conf *conf = context->conf;
	int64_t limit = conf_int(conf, P_header_size_limit);

	in->context = *context;
	in->sink = sink;
	in->sink_arg = sink_arg;
	in->replace_stray = conf_bool(conf, P_cleanup_replace_stray_cr_lf);
	in->field_max = limit < HEADER_LIMIT_MIN ? HEADER_LIMIT_MIN : (size_t)limit;
	limit = context->internal ? 0 : conf_int(conf, P_message_size_limit);
	in->content_max = limit > 0 ? (uint64_t)limit : UINT64_MAX;
	intake_rules_init(in);
	intake_emit(in, context->received);
	return in;
}

void
intake_free(struct intake **in)
{
	if (!*in)
		return;
	buf_free(&(*in)->out);
	buf_free(&(*in)->field);
	buf_free(&(*in)->message_id);
	buf_free(&(*in)->why);
	free(*in);
	*in = NULL;
}

/* --- Out ------------------------------------------------------------------------------------ */

static void
to_sink(struct intake *in, struct str s)
{
	if (in->status == INTAKE_OK && s.len > 0 && !in->sink(in->sink_arg, s))
		in->status = INTAKE_SINK_FAILED;
}

static void
flush(struct intake *in)
{
	to_sink(in, buf_view(&in->out));
	buf_reset(&in->out);
}

void
intake_emit(struct intake *in, struct str s)
{
	if (in->status != INTAKE_OK || s.len == 0)
		return;
	in->size += s.len;
	if (in->out.len + s.len <= COLLECT_MAX) {
		buf_str(&in->out, s);
		return;
	}
	flush(in);
	if (s.len >= DIRECT_MIN)
		to_sink(in, s);
	else
		buf_str(&in->out, s);
}

enum intake_status
intake_refuse(struct intake *in, enum intake_status status, const char *why)
{
	if (in->status == INTAKE_OK) {
		in->status = status;
		buf_puts(&in->why, why);
	}
	return in->status;
}

/* --- Body ----------------------------------------------------------------------------------- */

static void
body(struct intake *in, struct str s)
{
	if (s.len == 0)
		return;
	/* A CRLF comes in one piece, see intake_data(). */
	in->line_open = s.len < 2 || s.data[s.len - 2] != '\r' || s.data[s.len - 1] != '\n';
	intake_emit(in, s);
}

/* --- Header --------------------------------------------------------------------------------- */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The field gathered so far is complete, or nothing is there. */
static void
end_field(struct intake *in)
{
	if (in->field.len > 0)
		intake_field(in, buf_view(&in->field));
	buf_reset(&in->field);
	in->lines = 0;
	in->cut = false;
}

/*
 * The header is over: REST, the line that ended it, is body (unless it is the empty line itself).
 */
static void
end_header(struct intake *in, struct str rest)
{
	intake_complete_header(in);
	in->in_body = true;
	intake_emit(in, STR("\r\n"));
	if (!str_eq(rest, STR("\r\n")))
		body(in, rest);
	buf_free(&in->field);
}

/* "From user@host date", as mbox and UUCP have it, perhaps behind ">". */
static bool
is_mailbox_line(struct str line)
{
	while (line.len > 0 && line.data[0] == '>')
		line = str_from(line, 1);
	return str_starts_nocase(line, STR("From "));
}

/*
 * More of the current field has come than may be kept: what is too much is left out, and what follows of
 * it. Whole lines are kept if that is not much less; else all that there is room for, but no half of a
 * character. The result does not depend on the pieces in which the field came.
 */
static void
cut_field(struct intake *in)
{
	const char *data = in->field.data;
	size_t lf = str_rchr(str_n(data, in->field_max), '\n');
	size_t keep = lf == STR_NPOS ? 0 : lf + 1;

	if (keep < in->field_max / 2) {
		keep = in->field_max;
		for (int i = 0; i < UTF8_TAIL_MAX && (data[keep] & 0xc0) == 0x80; i++)
			keep--;
		if (data[keep - 1] == '\r')
			keep--;
	}
	buf_truncate(&in->field, keep);
	if (data[keep - 1] != '\n')
		buf_puts(&in->field, "\r\n");
	in->cut = true;
}

/* The first line of a field is there (or more than may be gathered of it). What is it? */
static void
first_line(struct intake *in)
{
	struct str line = str_sub(buf_view(&in->field), 0, in->field_max);

	if (header_name_length(line) > 0) {
		in->at_start = false;
		return;
	}
	if (in->at_start && is_mailbox_line(line)) {
		if (in->field.len > in->field_max)
			cut_field(in);
		intake_emit(in, STR("X-Mailbox-Line: "));
		intake_emit(in, buf_view(&in->field));
		buf_reset(&in->field);
		return;
	}
	end_header(in, buf_view(&in->field));
}

/* PART of a header line; whole when it ends in CRLF. */
static void
header_part(struct intake *in, struct str part, bool whole)
{
	if (in->line_start && !is_blank(part.data[0]))
		end_field(in);
	in->line_start = whole;
	if (in->cut)
		return;
	buf_str(&in->field, part);
	if (in->lines == 0 && (whole || in->field.len > in->field_max))
		first_line(in);
	if (!in->in_body && in->field.len > in->field_max)
		cut_field(in);
	if (whole && in->field.len > 0)
		in->lines++;
}

/* Takes header lines off the front of S. */
static struct str
header(struct intake *in, struct str s)
{
	while (s.len > 0 && !in->in_body && in->status == INTAKE_OK) {
		size_t lf = str_chr(s, '\n');
		bool whole = lf != STR_NPOS && lf > 0 && s.data[lf - 1] == '\r';
		size_t n = lf == STR_NPOS ? s.len : lf + 1;

		header_part(in, str_sub(s, 0, n), whole);
		s = str_from(s, n);
	}
	return s;
}

/* --- In ------------------------------------------------------------------------------------- */

/* S has no CR or LF that stands alone, or they are to stay; no CRLF is cut by its ends. */
static void
take(struct intake *in, struct str s)
{
	if (!in->in_body)
		s = header(in, s);
	if (in->in_body && in->status == INTAKE_OK)
		body(in, s);
}

static void
take_stray(struct intake *in, struct str s)
{
	take(in, in->replace_stray ? STR(" ") : s);
}

/* A CR that ended the last piece: was it the first half of a CRLF? Returns what is left of S. */
static struct str
take_held_cr(struct intake *in, struct str s)
{
	in->cr_held = false;
	if (s.data[0] == '\n') {
		take(in, STR("\r\n"));
		return str_from(s, 1);
	}
	take_stray(in, STR("\r"));
	return s;
}

enum intake_status
intake_data(struct intake *in, struct str chunk)
{
	const char *start, *p, *end, *lf = NULL;

	if (in->status != INTAKE_OK || chunk.len == 0)
		return in->status;
	in->received += chunk.len;
	if (in->received > in->content_max)
		return intake_refuse(
		    in, INTAKE_REFUSED, "552 5.3.4 Message is larger than message_size_limit");
	if (in->cr_held)
		chunk = take_held_cr(in, chunk);
	start = p = chunk.data;
	end = chunk.data + chunk.len;
	while (p < end && in->status == INTAKE_OK) {
		const char *cr;

		if (!lf || lf < p) {
			lf = memchr(p, '\n', (size_t)(end - p));
			lf = lf ? lf : end;
		}
		cr = memchr(p, '\r', (size_t)(lf - p));
		p = cr ? cr : lf;
		if (p == end || (cr && lf < end && cr + 1 == lf)) {
			p = p == end ? end : lf + 1;
			continue;
		}
		take(in, str_n(start, (size_t)(p - start)));
		start = p + 1;
		if (cr && start == end)
			in->cr_held = true;
		else
			take_stray(in, str_n(p, 1));
		p = start;
	}
	if (start < end)
		take(in, str_n(start, (size_t)(end - start)));
	return in->status;
}

enum intake_status
intake_end(struct intake *in)
{
	if (in->cr_held)
		take_stray(in, STR("\r"));
	in->cr_held = false;
	if (!in->in_body && !in->line_start)
		header_part(in, STR("\r\n"), true);
	if (!in->in_body) {
		end_field(in);
		intake_complete_header(in);
	} else if (in->line_open) {
		intake_emit(in, STR("\r\n"));
	}
	if (in->status == INTAKE_OK)
		flush(in);
	return in->status;
}

/* --- Asking --------------------------------------------------------------------------------- */

struct str
intake_message_id(const struct intake *in)
{
	return buf_view(&in->message_id);
}

struct str
intake_why(const struct intake *in)
{
	return buf_view(&in->why);
}

uint64_t
intake_size(const struct intake *in)
{
	return in->size;
}
