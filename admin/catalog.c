/*
 * catalog - postcat's layout; see catalog.h
 *
 * What is shown comes from strangers and may have been damaged: names and values of the envelope are
 * made printable, the message is written as it is (with LF line ends).
 */
#include "admin/catalog.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/mail/date.h"
#include "lib/mail/dsn.h"
#include "lib/mail/header.h"
#include "lib/queue/drop.h"
#include "lib/queue/slot.h"

#define HOLD_MAX 4000 /* of a header line, until it is clear that it is one */

struct cat {
	struct cat_format format;
	struct buf name; /* "deferred/ID" */
	struct buf line; /* of the header, incomplete */
	uint64_t offset; /* of the next byte of content */
	bool in_body;
	bool within; /* a line has begun, its end has not come */
	bool cr;     /* and what came of it ends in a CR, not yet written */
};

/* ---- Envelope -------------------------------------------------------------------------------- */

static void
put_offset(const struct cat *c, uint64_t offset)
{
	if (c->format.offsets)
		printf("%9" PRIu64 " ", offset);
}

static void
put(const struct cat *c, const char *name, struct str value)
{
	struct buf copy = {0};

	buf_str(&copy, value);
	log_printable(copy.data, copy.len);
	put_offset(c, 0);
	printf("%s: %s\n", name, buf_cstr(&copy));
	buf_free(&copy);
}

static void
put_attribute(const struct cat *c, const char *name, struct str value)
{
	struct buf text = {0};

	buf_printf(&text, "%s=%.*s", name, STR_ARG(value));
	put(c, "named_attribute", buf_view(&text));
	buf_free(&text);
}

static void
put_notify(const struct cat *c, unsigned notify)
{
	struct buf text = {0};

	dsn_notify_write(notify, &text);
	if (text.len)
		put_attribute(c, "dsn_notify_flags", buf_view(&text));
	buf_free(&text);
}

static void
put_section(const struct cat *c, const char *title)
{
	if (!c->format.envelope)
		return;
	put_offset(c, 0);
	printf("*** %s %.*s ***\n", title, STR_ARG(buf_view(&c->name)));
}

static void
put_size(const struct cat *c, uint64_t size, size_t rcpts)
{
	put_offset(c, 0);
	printf("message_size: %15" PRIu64 " %15zu\n", size, rcpts);
}

static void
put_time(const struct cat *c, time_t t)
{
	char date[MAIL_DATE_SIZE];

	mail_date_ctime(t, date);
	put(c, "message_arrival_time", str_c(date));
}

static void
put_rcpt(const struct cat *c, const struct slot_rcpt *r, const struct slot_rcpt_mark *mark)
{
	bool todo = mark->state == SLOT_RCPT_TODO || mark->state == SLOT_RCPT_FAILED_NOTICE;

	put_notify(c, r->notify);
	if (r->orcpt.len)
		put_attribute(c, "dsn_orig_rcpt", r->orcpt);
	if (r->orig.len)
		put(c, "original_recipient", r->orig);
	put(c, todo ? "recipient" : "done_recipient", r->address);
}

static void
put_envelope(const struct cat *c, const struct slot_envelope *e)
{
	for (size_t i = 0; i < e->n_attrs; i++) {
		char *name = str_dup(e->attrs[i].name);

		put_attribute(c, name, e->attrs[i].value);
		free(name);
	}
	if (e->ret)
		put_attribute(c, "dsn_ret", e->ret == DSN_RET_FULL ? STR("full") : STR("hdrs"));
	if (e->envid.len)
		put_attribute(c, "dsn_envid", e->envid);
	if (e->body_8bit)
		put_attribute(c, "encoding", STR("8bit"));
	if (e->smtputf8)
		put_attribute(c, "smtputf8", STR("1"));
	put(c, "sender", e->sender);
}

static const char *
queue_name(const struct slot_mark *mark, bool valid)
{
	if (!valid || mark->state == SLOT_INCOMING)
		return "incoming";
	return mark->state == SLOT_HOLD    ? "hold"
	    : mark->state == SLOT_DEFERRED ? "deferred"
					   : "active";
}

/* The envelope of a slot; what cannot be read is said in its place. */
static void
put_slot(const struct cat *c, struct str head, const struct slot_header *h)
{
	struct arena *a = arena_new(0);
	struct slot_envelope e = {0};
	struct buf why = {0};
	struct str text =
	    str_sub(head, (size_t)slot_envelope_offset(h->rcpts), (size_t)h->envelope);

	put_size(c, h->content, h->rcpts);
	put_time(c, (time_t)(h->arrival_us / 1000000));
	if (slot_get_envelope(text, h->rcpts, a, &e, &why))
		put_envelope(c, &e);
	else
		put(c, "damaged_envelope", buf_view(&why));
	for (uint32_t i = 0; i < e.n_rcpts; i++) {
		struct slot_rcpt_mark mark;

		slot_get_rcpt_mark(h->id, i,
		    str_sub(head, SLOT_MARKS_OFFSET + (size_t)i * SLOT_MARK_SIZE, SLOT_MARK_SIZE),
		    &mark);
		put_rcpt(c, &e.rcpts[i], &mark);
	}
	arena_free(&a);
	buf_free(&why);
}

static struct cat *
new_cat(const struct cat_format *format)
{
	struct cat *c = MEM_NEW(struct cat);

	c->format = *format;
	return c;
}

struct cat *
cat_slot_begin(struct str head, const struct cat_format *format)
{
	struct cat *c = new_cat(format);
	struct slot_header h;
	struct slot_mark mark;
	bool valid;

	if (slot_get_header(head, &h) != SLOT_OK) {
		buf_puts(&c->name, "damaged");
		put_section(c, "ENVELOPE RECORDS");
	} else {
		valid = slot_get_mark(h.id, str_from(head, SLOT_STATE_OFFSET), &mark);
		buf_printf(&c->name, "%s/%s", queue_name(&mark, valid), h.id);
		put_section(c, "ENVELOPE RECORDS");
		if (format->envelope)
			put_slot(c, head, &h);
	}
	put_section(c, "MESSAGE CONTENTS");
	c->offset = head.len;
	return c;
}

/* ---- Content --------------------------------------------------------------------------------- */

/* A piece of a line of the content, WHOLE with its end. */
static void
put_line(struct cat *c, struct str line, bool whole)
{
	bool wanted = c->in_body ? c->format.body : c->format.header;
	size_t length = line.len + (whole ? 1 : 0);

	if (wanted && !c->within)
		put_offset(c, c->offset);
	if (wanted && c->cr && line.len)
		putchar('\r');
	c->cr = line.len ? line.data[line.len - 1] == '\r' : c->cr && !whole;
	c->within = !whole;
	c->offset += length;
	if (line.len && c->cr)
		line.len--;
	if (whole)
		c->cr = false;
	if (!wanted)
		return;
	fwrite(line.data, 1, line.len, stdout);
	if (whole)
		putchar('\n');
}

/* Does the header go on with this line? */
static bool
header_line(struct str line)
{
	return line.len &&
	    (line.data[0] == ' ' || line.data[0] == '\t' || header_name_length(line));
}

/* A line of the header, or the first that is none. */
static void
put_header_line(struct cat *c, bool whole)
{
	if (!header_line(buf_view(&c->line)))
		c->in_body = true;
	put_line(c, buf_view(&c->line), whole);
	buf_reset(&c->line);
}

void
cat_content(struct cat *c, struct str piece)
{
	while (piece.len) {
		size_t end = str_chr(piece, '\n');
		struct str line = str_sub(piece, 0, end);
		bool whole = end != STR_NPOS;

		piece = whole ? str_from(piece, end + 1) : STR_EMPTY;
		if (c->in_body || c->within) {
			put_line(c, line, whole);
			continue;
		}
		buf_str(&c->line, line);
		if (whole || c->line.len > HOLD_MAX)
			put_header_line(c, whole);
	}
}

void
cat_end(struct cat **cat)
{
	struct cat *c = *cat;

	if (c == NULL)
		return;
	if (c->line.len)
		put_header_line(c, true);
	if (c->within)
		put_line(c, STR_EMPTY, true);
	put_section(c, "HEADER EXTRACTED");
	put_section(c, "MESSAGE FILE END");
	buf_free(&c->name);
	buf_free(&c->line);
	free(c);
	*cat = NULL;
}

/* ---- A file of maildrop/ --------------------------------------------------------------------- */

static void
put_drop_envelope(struct cat *c, const struct msg_drop_begin *e)
{
	if (!c->format.envelope)
		return;
	if (e->full_name.len)
		put(c, "sender_fullname", e->full_name);
	if (e->envid.len)
		put_attribute(c, "dsn_envid", e->envid);
	if (e->ret)
		put_attribute(c, "dsn_ret", e->ret == DSN_RET_FULL ? STR("full") : STR("hdrs"));
	put_notify(c, (unsigned)e->notify);
	put_attribute(c, "rewrite_context", e->gateway ? STR("remote") : STR("local"));
	put(c, "sender", e->sender);
}

bool
cat_drop(struct str file, const char *name, const struct cat_format *format)
{
	struct drop_reader *r = drop_reader_of_file(0);
	struct cat *c = new_cat(format);
	enum drop_event event;
	bool contents = false;

	buf_puts(&c->name, name);
	do {
		struct str text;

		event = drop_next(r, &file, &text);
		if (event == DROP_ENVELOPE) {
			put_section(c, "ENVELOPE RECORDS");
			put_drop_envelope(c, drop_envelope(r));
		} else if (event == DROP_RCPT && format->envelope) {
			const struct msg_rcpt rcpt = drop_rcpt(r);

			if (rcpt.notify != drop_envelope(r)->notify)
				put_notify(c, (unsigned)rcpt.notify);
			if (rcpt.orcpt.len)
				put_attribute(c, "dsn_orig_rcpt", rcpt.orcpt);
			put(c, "recipient", rcpt.address);
		} else if (event == DROP_CONTENT || event == DROP_END) {
			if (!contents)
				put_section(c, "MESSAGE CONTENTS");
			contents = true;
			if (event == DROP_CONTENT)
				cat_content(c, text);
		}
	} while (event != DROP_NEED && event != DROP_BAD && event != DROP_END);
	if (event != DROP_END)
		c->format.envelope = false; /* what has been shown was not all of it */
	cat_end(&c);
	drop_reader_free(&r);
	return event == DROP_END;
}
