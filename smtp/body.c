/*
 * body - see body.h
 *
 * The end of the message is sent only when all of the content has been: a connection whose content came to
 * a stop is closed, so that no server ever takes a part for the whole.
 */
#include "smtp/body.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/fiber/fiber.h"
#include "lib/smtp/dots.h"
#include "smtp/client.h"

#define CHUNKS_AHEAD 8 /* of BDAT, sent and not yet answered */

bool
body_wanted(const struct delivery *d)
{
	/* One delivery at a time: what comes now is the channel's end. */
	return !d->content.lost && !stream_readable(ipc_stream(d->content.channel));
}

void
body_encode(struct delivery *d, struct buf *out)
{
	struct dots_encoder e;
	struct str piece;

	dots_encoder_init_plain(&e, (size_t)d->client->settings.line_max);
	(void)content_rewind(&d->content);
	while (content_next(&d->content, &piece))
		dots_encode(&e, piece, out);
	dots_encode_end(&e, out);
}

/* "PIX" firewalls lose the end of data when it comes in one packet with content. */
static bool
pause_for_pix(struct delivery *d, struct connection *c)
{
	const struct settings *st = c->st;
	int64_t age = (clock_wall_us() - d->m->arrival_us) / 1000000;

	if (!c->pix || age < st->pix_threshold ||
	    str_find(st->pix_workarounds, STR("delay_dotcrlf")) == STR_NPOS)
		return true;
	return connection_flush(c, st->data_xfer_ms) &&
	    fiber_sleep(st->pix_delay_ms) != FIBER_CANCELED;
}

enum body_result
body_send_dots(struct delivery *d, struct connection *c)
{
	int64_t ms = c->st->data_xfer_ms;
	struct dots_encoder e;
	struct buf wire = {0};
	struct str piece;
	bool ok = true;

	dots_encoder_init(&e, (size_t)c->st->line_max);
	while (ok && content_next(&d->content, &piece)) {
		buf_reset(&wire);
		dots_encode(&e, piece, &wire);
		ok = connection_write(c, buf_view(&wire), ms);
	}
	buf_reset(&wire);
	if (ok && (!body_wanted(d) || d->content.lost)) {
		buf_free(&wire);
		return BODY_LOST;
	}
	dots_encode_end(&e, &wire);
	ok = ok && pause_for_pix(d, c) && connection_write(c, buf_view(&wire), ms) &&
	    connection_flush(c, ms);
	buf_free(&wire);
	return ok ? BODY_SENT : d->content.lost ? BODY_LOST : BODY_BROKEN;
}

/* Hears answers to chunks until at most AHEAD are missing. */
static enum body_result
hear_chunks(struct connection *c, unsigned *missing, unsigned ahead)
{
	while (*missing > ahead || (*missing > 0 && stream_buffered(c->stream) > 0)) {
		if (!connection_hear(c, c->st->data_xfer_ms))
			return BODY_BROKEN;
		--*missing;
		if (connection_class(c) != 2)
			return BODY_REFUSED;
	}
	return BODY_SENT;
}

static enum body_result
send_chunk(struct connection *c, struct str chunk, bool last, unsigned *missing)
{
	connection_say(c, "BDAT %zu%s", chunk.len, last ? " LAST" : "");
	if (!connection_write(c, chunk, c->st->data_xfer_ms) ||
	    !connection_flush(c, c->st->data_xfer_ms))
		return BODY_BROKEN;
	if (last)
		return hear_chunks(c, missing, 0);
	++*missing;
	return hear_chunks(c, missing, CHUNKS_AHEAD);
}

enum body_result
body_send_chunks(struct delivery *d, struct connection *c)
{
	enum body_result result = BODY_SENT;
	struct dots_encoder e;
	struct buf wire = {0};
	struct str piece;
	unsigned missing = 0;

	dots_encoder_init_plain(&e, (size_t)c->st->line_max);
	while (result == BODY_SENT && content_next(&d->content, &piece)) {
		dots_encode(&e, piece, &wire);
		if (wire.len < CONTENT_KEPT)
			continue;
		result = send_chunk(c, buf_view(&wire), false, &missing);
		buf_reset(&wire);
	}
	if (result == BODY_SENT && (d->content.lost || !body_wanted(d)))
		result = BODY_LOST;
	if (result == BODY_SENT) {
		dots_encode_end(&e, &wire);
		result = send_chunk(c, buf_view(&wire), true, &missing);
	}
	buf_free(&wire);
	return result;
}
