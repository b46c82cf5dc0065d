/*
 * body - see body.h
 *
 * The end of the message is sent only when all of the content has been: a connection whose content came to
 * a stop is closed, so that no server ever takes a part for the whole.
 */
#include "smtp/body.h"

#include "lib/base/log.h"
#include "lib/fiber/fiber.h"
#include "lib/intake/outgoing.h"
#include "lib/smtp/dots.h"
#include "smtp/client.h"

#define CHUNKS_AHEAD 8 /* of BDAT, sent and not yet answered */

/* What becomes of content in the server's form. */
enum form { FORM_MEMORY, FORM_DOTS, FORM_CHUNKS };

struct body {
	struct delivery *d;
	struct connection *c;
	enum form form;
	struct dots_encoder encoder;
	struct buf *wire;
	unsigned missing; /* answers to chunks */
	enum body_result result;
};

bool
body_wanted(const struct delivery *d)
{
	/* One delivery at a time: what comes now is the channel's end. */
	return !d->content.lost && !stream_readable(ipc_stream(d->content.channel));
}

/* --- Sending -------------------------------------------------------------------------------------- */

/* Hears answers to chunks until at most AHEAD are missing. */
static enum body_result
hear_chunks(struct body *b, unsigned ahead)
{
	struct connection *c = b->c;

	while (b->missing > ahead || (b->missing > 0 && stream_buffered(c->stream) > 0)) {
		if (!connection_hear(c, c->st->data_xfer_ms))
			return BODY_BROKEN;
		b->missing--;
		if (connection_class(c) != 2)
			return BODY_REFUSED;
	}
	return BODY_SENT;
}

/* The first chunk of the connection: see body.h. */
static enum body_result
send_first_chunk(struct body *b)
{
	struct connection *c = b->c;

	connection_say(c, "BDAT %d", BODY_FIRST_CHUNK);
	if (!connection_write(
		c, str_sub(buf_view(b->wire), 0, BODY_FIRST_CHUNK), c->st->data_xfer_ms) ||
	    !connection_flush(c, c->st->data_xfer_ms) || !connection_hear(c, c->st->data_xfer_ms))
		return BODY_BROKEN;
	if (connection_class(c) != 2)
		return BODY_REFUSED;
	buf_consume(b->wire, BODY_FIRST_CHUNK);
	c->takes_chunks = true;
	return BODY_SENT;
}

static enum body_result
send_chunk(struct body *b, bool last)
{
	struct connection *c = b->c;
	enum body_result result = BODY_SENT;

	if (!c->takes_chunks && b->wire->len > 0)
		result = send_first_chunk(b);
	if (result != BODY_SENT)
		return result;
	connection_say(c, "BDAT %zu%s", b->wire->len, last ? " LAST" : "");
	if (!connection_write(c, buf_view(b->wire), c->st->data_xfer_ms) ||
	    !connection_flush(c, c->st->data_xfer_ms))
		return BODY_BROKEN;
	buf_reset(b->wire);
	if (!last)
		b->missing++;
	return hear_chunks(b, last ? 0 : CHUNKS_AHEAD);
}

/* A piece of content, as it is to arrive. */
static bool
take(void *arg, struct str piece)
{
	struct body *b = arg;

	dots_encode(&b->encoder, piece, b->wire);
	if (b->form == FORM_CHUNKS && b->wire->len >= CONTENT_KEPT) {
		b->result = send_chunk(b, false);
	} else if (b->form == FORM_DOTS) {
		if (!connection_write(b->c, buf_view(b->wire), b->c->st->data_xfer_ms))
			b->result = BODY_BROKEN;
		buf_reset(b->wire);
	}
	return b->result == BODY_SENT;
}

/* --- Between -------------------------------------------------------------------------------------- */

static bool
is_fine(struct body *b, const struct outgoing *o, enum outgoing_status status, struct failure *f)
{
	struct dsn_split why;
	char dsn[DSN_TEXT_SIZE];

	if (status == OUTGOING_OK || status == OUTGOING_SINK_FAILED)
		return status == OUTGOING_OK;
	dsn_split(outgoing_why(o), &why);
	dsn_text(&why.dsn, dsn);
	failure_local(f, b->d->arena, NULL,
	    why.dsn.class ? arena_cstr(b->d->arena, str_c(dsn)) : "4.3.0", "%.*s",
	    STR_ARG(why.text));
	b->result = BODY_STOPPED;
	return false;
}

/* All content through the rules. */
static void
feed_edited(struct body *b, bool convert, struct failure *f)
{
	bool sure = b->d->m->header_has_8bit || b->d->m->body_has_8bit;
	struct outgoing *o = outgoing_new(b->d->client->rules, b->d->m->id, convert, sure, take, b);
	struct str piece;
	bool ok = true;

	while (ok && content_next(&b->d->content, &piece))
		ok = is_fine(b, o, outgoing_data(o, piece), f);
	/* What was cut off must not be completed. */
	if (ok && !b->d->content.lost)
		(void)is_fine(b, o, outgoing_end(o), f);
	outgoing_free(&o);
}

static void
feed(struct body *b, bool convert, struct failure *f)
{
	const struct outgoing_rules *rules = b->d->client->rules;
	struct str piece;

	if (rules && (convert || outgoing_edits(rules)))
		feed_edited(b, convert, f);
	else
		while (content_next(&b->d->content, &piece) && take(b, piece))
			;
	if (b->encoder.broke)
		log_info("%.*s: breaking line > %zu bytes with <CR><LF>SPACE", STR_ARG(b->d->m->id),
		    b->encoder.line_max);
	if (b->d->content.lost)
		b->result = BODY_LOST;
}

/* --- The forms ------------------------------------------------------------------------------------ */

enum body_result
body_encode(
    struct delivery *d, struct connection *c, bool convert, struct buf *out, struct failure *f)
{
	struct body b = {.d = d, .c = c, .form = FORM_MEMORY, .wire = out};

	dots_encoder_init_plain(&b.encoder, (size_t)c->st->line_max);
	feed(&b, convert, f);
	dots_encode_end(&b.encoder, out);
	return b.result;
}

/* "PIX" firewalls lose the end of data when it comes in one packet with content. */
static bool
pause_for_pix(struct connection *c)
{
	const struct settings *st = c->st;

	if (!c->pix || !c->pix_delay || str_find(c->pix_words, STR("delay_dotcrlf")) == STR_NPOS)
		return true;
	return connection_flush(c, st->data_xfer_ms) &&
	    fiber_sleep(st->pix_delay_ms) != FIBER_CANCELED;
}

enum body_result
body_send_dots(struct delivery *d, struct connection *c, bool convert, struct failure *f)
{
	struct buf wire = {0};
	struct body b = {.d = d, .c = c, .form = FORM_DOTS, .wire = &wire};

	dots_encoder_init(&b.encoder, (size_t)c->st->line_max);
	feed(&b, convert, f);
	if (b.result == BODY_SENT && !body_wanted(d))
		b.result = BODY_LOST;
	if (b.result == BODY_SENT) {
		dots_encode_end(&b.encoder, &wire);
		if (!pause_for_pix(c) ||
		    !connection_write(c, buf_view(&wire), c->st->data_xfer_ms) ||
		    !connection_flush(c, c->st->data_xfer_ms))
			b.result = BODY_BROKEN;
	}
	buf_free(&wire);
	return b.result;
}

enum body_result
body_send_chunks(struct delivery *d, struct connection *c, bool convert, struct failure *f)
{
	struct buf wire = {0};
	struct body b = {.d = d, .c = c, .form = FORM_CHUNKS, .wire = &wire};

	dots_encoder_init_plain(&b.encoder, (size_t)c->st->line_max);
	feed(&b, convert, f);
	if (b.result == BODY_SENT && !body_wanted(d))
		b.result = BODY_LOST;
	if (b.result == BODY_SENT) {
		dots_encode_end(&b.encoder, &wire);
		b.result = send_chunk(&b, true);
	}
	buf_free(&wire);
	return b.result;
}
