/*
 * outgoing_content - the stream of one message on its way out
 *
 * The content is a stranger's. It goes through the walk over its MIME structure, or through the conversion
 * to 7 bits; what comes out of that is checked and changed, collected, and given to the sink. Headers are
 * checked as they will go out: a label that the conversion has changed is seen as it is then.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/intake/outgoing_private.h"
#include "lib/mail/downgrade.h"
#include "lib/mail/header.h"

#define COLLECT_MAX 32768  /* given to the sink when so much has come together */
#define DIRECT_MIN 8192    /* pieces from this size on go to the sink without being copied */
#define BODY_LINE_MAX 2048 /* of longer lines each piece of so many bytes is checked on its own */

struct outgoing {
	const struct outgoing_rules *rules;
	struct str queue_id;
	outgoing_sink *sink;
	void *sink_arg;
	struct mime_walk *walk; /* one of these two */
	struct downgrade *downgrade;
	enum outgoing_status status;
	struct buf why;
	struct buf out; /* on its way to the sink */

	bool checks_body;
	struct buf line; /* the line of a body that is being gathered */
	struct buf key, text;
};

/* --- Out ------------------------------------------------------------------------------------ */

static bool
to_sink(struct outgoing *o, struct str s)
{
	if (s.len > 0 && !o->sink(o->sink_arg, s))
		o->status = OUTGOING_SINK_FAILED;
	return o->status == OUTGOING_OK;
}

static bool
flush(struct outgoing *o)
{
	bool ok = to_sink(o, buf_view(&o->out));

	buf_reset(&o->out);
	return ok;
}

static bool
emit(struct outgoing *o, struct str s)
{
	if (o->out.len + s.len > COLLECT_MAX && !flush(o))
		return false;
	if (s.len >= DIRECT_MIN)
		return flush(o) && to_sink(o, s);
	buf_str(&o->out, s);
	return true;
}

static bool
failed(struct outgoing *o, enum outgoing_status status)
{
	o->status = status;
	return false;
}

/* --- Headers -------------------------------------------------------------------------------- */

/* MIME-Version: and Content-…: are for the MIME tables, wherever they stand (header_checks(5)). */
static enum outgoing_maps
tables_for(enum mime_header header, struct str name)
{
	if (header == MIME_HEADER_PART || str_eq_nocase(name, STR("MIME-Version")) ||
	    str_starts_nocase(name, STR("Content-")))
		return OUTGOING_MIME_CHECKS;
	return header == MIME_HEADER_NESTED ? OUTGOING_NESTED_CHECKS : OUTGOING_HEADER_CHECKS;
}

/* FIELD as patterns see it: lines end in LF, the last one has no end. */
static void
make_key(struct str field, struct buf *key)
{
	buf_reset(key);
	for (size_t i = 0; i < field.len; i++)
		if (field.data[i] != '\r' || i + 1 == field.len || field.data[i + 1] != '\n')
			buf_putc(key, field.data[i]);
	while (key->len > 0 && key->data[key->len - 1] == '\n')
		buf_truncate(key, key->len - 1);
}

/* FIELD with its addresses as smtp_generic_maps have them. */
static bool
emit_field(struct outgoing *o, enum mime_header header, struct str field)
{
	struct str name = str_sub(field, 0, header_name_length(field));
	size_t colon = str_chr(field, ':') + 1;
	struct buf value = {0}, folded = {0};
	enum outgoing_status status;
	bool changed = false, ok;
	struct header_field f;
	struct str rest = field;

	if (!table_maps_any(&o->rules->maps[OUTGOING_GENERIC]) || header != MIME_HEADER_FIRST ||
	    header_role(name) == HEADER_OTHER || !header_next(&rest, &f))
		return emit(o, field);
	status = outgoing_generic_field(o->rules, f.value, &value, &changed, &o->why);
	if (status != OUTGOING_OK) {
		ok = failed(o, status);
	} else if (!changed) {
		ok = emit(o, field);
	} else {
		header_fold_list(buf_view(&value), colon, &folded);
		ok = emit(o, str_sub(field, 0, colon)) && emit(o, buf_view(&folded)) &&
		    emit(o, STR("\r\n"));
	}
	buf_free(&folded);
	buf_free(&value);
	return ok;
}

static bool
on_field(void *arg, enum mime_header header, struct str field, bool whole)
{
	struct outgoing *o = arg;
	struct str name = str_sub(field, 0, header_name_length(field));
	enum outgoing_maps which = tables_for(header, name);
	enum outgoing_action action;
	enum outgoing_status status;

	if (!whole)
		return emit(o, field);
	if (!table_maps_any(&o->rules->maps[which]))
		return emit_field(o, header, field);
	make_key(field, &o->key);
	buf_reset(&o->text);
	status = outgoing_check(
	    o->rules, which, o->queue_id, buf_view(&o->key), &action, &o->text, &o->why);
	if (status != OUTGOING_OK)
		return failed(o, status);
	if (action == OUTGOING_DROP)
		return true;
	if (action == OUTGOING_KEEP)
		return emit_field(o, header, field);
	buf_puts(&o->text, "\r\n");
	if (action == OUTGOING_REPLACE)
		return emit_field(o, header, buf_view(&o->text));
	return emit(o, buf_view(&o->text)) && emit_field(o, header, field);
}

/* --- Bodies --------------------------------------------------------------------------------- */

/* The gathered line goes on, or what the tables say. */
static bool
line_over(struct outgoing *o)
{
	struct str line = buf_view(&o->line);
	enum outgoing_action action;
	enum outgoing_status status;
	bool ok = true;
	size_t end = line.len;

	/* White space at its end is part of a line, its end is not. */
	while (end > 0 && (line.data[end - 1] == '\n' || line.data[end - 1] == '\r'))
		end--;
	if (line.len == 0)
		return true;
	buf_reset(&o->text);
	status = outgoing_check(o->rules, OUTGOING_BODY_CHECKS, o->queue_id, str_sub(line, 0, end),
	    &action, &o->text, &o->why);
	if (status != OUTGOING_OK)
		return failed(o, status);
	buf_puts(&o->text, "\r\n");
	if (action == OUTGOING_PREPEND || action == OUTGOING_REPLACE)
		ok = emit(o, buf_view(&o->text));
	if (ok && (action == OUTGOING_PREPEND || action == OUTGOING_KEEP))
		ok = emit(o, line);
	buf_reset(&o->line);
	return ok;
}

static bool
on_header_end(void *arg, const struct mime_part *part, struct str line)
{
	struct outgoing *o = arg;

	(void)part;
	return emit(o, line);
}

static bool
on_text(void *arg, enum mime_text what, struct str piece)
{
	struct outgoing *o = arg;
	bool ok = true;

	(void)what;
	while (ok && o->checks_body && piece.len > 0) {
		size_t room = BODY_LINE_MAX - o->line.len, lf = str_chr(piece, '\n');
		size_t n = lf < room ? lf + 1 : room < piece.len ? room : piece.len;

		buf_str(&o->line, str_sub(piece, 0, n));
		piece = str_from(piece, n);
		if (lf < room || o->line.len == BODY_LINE_MAX)
			ok = line_over(o);
	}
	return ok && emit(o, piece);
}

static bool
on_leaf_end(void *arg, bool delimited)
{
	(void)delimited;
	return line_over(arg);
}

/* --- The stream ----------------------------------------------------------------------------- */

struct outgoing *
outgoing_new(const struct outgoing_rules *rules, struct str queue_id, bool convert, bool sure,
    outgoing_sink *sink, void *sink_arg)
{
	static const struct mime_events events = {
	    .field = on_field,
	    .header_end = on_header_end,
	    .text = on_text,
	    .leaf_end = on_leaf_end,
	};
	struct outgoing *o = MEM_NEW(struct outgoing);

	o->rules = rules;
	o->queue_id = queue_id;
	o->sink = sink;
	o->sink_arg = sink_arg;
	o->checks_body = table_maps_any(&rules->maps[OUTGOING_BODY_CHECKS]);
	if (convert)
		o->downgrade =
		    downgrade_new(&rules->limits, DOWNGRADE_LOOK_AHEAD, sure, &events, o);
	else
		o->walk = mime_walk_new(&rules->limits, &events, o);
	return o;
}

void
outgoing_free(struct outgoing **link)
{
	struct outgoing *o = *link;

	if (!o)
		return;
	*link = NULL;
	mime_walk_free(&o->walk);
	downgrade_free(&o->downgrade);
	buf_free(&o->why);
	buf_free(&o->out);
	buf_free(&o->line);
	buf_free(&o->key);
	buf_free(&o->text);
	free(o);
}

/* Nothing of ours failed, but OK is false: the conversion says why. */
static enum outgoing_status
outcome(struct outgoing *o, bool ok)
{
	if (ok || o->status != OUTGOING_OK)
		return o->status;
	buf_reset(&o->why);
	buf_str(&o->why, downgrade_why(o->downgrade));
	o->status = OUTGOING_FAIL;
	return o->status;
}

enum outgoing_status
outgoing_data(struct outgoing *o, struct str piece)
{
	return outcome(
	    o, o->downgrade ? downgrade_data(o->downgrade, piece) : mime_walk_data(o->walk, piece));
}

enum outgoing_status
outgoing_end(struct outgoing *o)
{
	enum outgoing_status status =
	    outcome(o, o->downgrade ? downgrade_end(o->downgrade) : mime_walk_end(o->walk));

	if (status == OUTGOING_OK && line_over(o))
		flush(o);
	return o->status;
}

struct str
outgoing_why(const struct outgoing *o)
{
	return buf_view(&o->why);
}
