/*
 * connection - see connection.h
 */
#include "smtp/connection.h"

#include <stdlib.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/intake/outgoing.h"
#include "smtp/server.h"

/* Of a line that is kept; longer ones are read to their end and cut. */
#define LINE_MAX_KEPT 2048
#define LINE_PIECES_MAX 32
#define STRANGE_MAX 100 /* lines in one connection that are overlooked */
#define REPLY_TIMES 2   /* the time limit of a line, for all lines of a reply */

void
connection_lead_to(
    struct connection *c, const struct server *server, struct str nexthop, struct str destination)
{
	arena_reset(c->names);
	c->host = arena_str(c->names, server->name);
	c->peer = arena_str(c->names, server->peer);
	c->relay = arena_str(c->names, server->relay);
	c->nexthop = arena_str(c->names, nexthop);
	c->destination = arena_str(c->names, destination);
	c->best_mx = server->best;
	c->may_loop = server->port == 25;
}

struct connection *
connection_new(const struct settings *st, struct stream *stream, const struct server *server,
    struct str nexthop)
{
	struct connection *c = MEM_NEW(struct connection);

	c->st = st;
	c->tls_status = STR_EMPTY;
	c->stream = stream;
	c->arena = arena_new(512);
	c->names = arena_new(512);
	connection_lead_to(c, server, nexthop, STR_EMPTY);
	c->discard = st->discard;
	c->pix_words = st->pix_workarounds;
	c->reuse_until = st->reuse_ms > 0 ? fiber_after(st->reuse_ms) : FIBER_FOREVER;
	return c;
}

void
connection_free(struct connection **c)
{
	struct connection *gone = *c;

	*c = NULL;
	if (!gone)
		return;
	stream_close(&gone->stream);
	smtp_reply_free(&gone->reply);
	buf_free(&gone->long_line);
	buf_free(&gone->filtered);
	arena_free(&gone->arena);
	arena_free(&gone->names);
	free(gone);
}

void
connection_quit(struct connection **c)
{
	if ((*c)->broken == STREAM_OK) {
		connection_say(*c, "QUIT");
		if (connection_flush(*c, (*c)->st->quit_ms) && !(*c)->st->skip_quit)
			(void)connection_hear(*c, (*c)->st->quit_ms);
	}
	connection_free(c);
}

static void
limit(struct connection *c, int64_t ms)
{
	stream_timeout(c->stream, ms);
	stream_deadline(
	    c->stream, c->st->request_deadline && ms > 0 ? fiber_after(ms) : FIBER_FOREVER);
}

/*
 * Of a whole reply: who sends one line of it after the other, each in time, would keep the channel, and all that
 * waits for it, for days.
 */
static void
limit_reply(struct connection *c, int64_t ms)
{
	limit(c, ms);
	if (!c->st->request_deadline && ms > 0)
		stream_deadline(c->stream, fiber_after(ms * REPLY_TIMES));
}

static bool
good(struct connection *c, enum stream_status status)
{
	if (status != STREAM_OK && c->broken == STREAM_OK)
		c->broken = status;
	return c->broken == STREAM_OK;
}

void
connection_say(struct connection *c, const char *format, ...)
{
	struct buf line = {0};
	va_list ap;

	va_start(ap, format);
	buf_vprintf(&line, format, ap);
	va_end(ap);
	buf_puts(&line, "\r\n");
	if (c->broken == STREAM_OK)
		(void)good(c, stream_write(c->stream, line.data, line.len));
	buf_free(&line);
}

bool
connection_write(struct connection *c, struct str data, int64_t ms)
{
	int64_t rate = c->st->request_deadline ? c->st->min_rate : 0;

	if (c->broken != STREAM_OK)
		return false;
	/* A piece has the time that it takes at the lowest rate, beside that for the whole. */
	limit(c, ms > 0 && rate > 0 ? ms + (int64_t)data.len * 1000 / rate : ms);
	return good(c, stream_write(c->stream, data.data, data.len));
}

bool
connection_flush(struct connection *c, int64_t ms)
{
	if (c->broken != STREAM_OK)
		return false;
	limit(c, ms);
	return good(c, stream_flush(c->stream));
}

/* smtp_reply_filter. A table that does not answer changes nothing. */
static void
filter_line(struct connection *c, struct str *line)
{
	struct buf why = {0};

	buf_reset(&c->filtered);
	if (outgoing_reply(c->st->rules, *line, &c->filtered, &why) != OUTGOING_OK) {
		log_warning("%s", buf_cstr(&why));
	} else if (!str_eq(*line, buf_view(&c->filtered))) {
		log_info("%.*s: replacing server reply \"%.*s\" with \"%.*s\"", STR_ARG(c->relay),
		    STR_ARG(*line), STR_ARG(buf_view(&c->filtered)));
		*line = buf_view(&c->filtered);
	}
	buf_free(&why);
}

/* A line without its end; of a long one the first part. */
static bool
read_line(struct connection *c, struct str *line)
{
	enum stream_status status = stream_read_line(c->stream, LINE_MAX_KEPT, line);
	struct str rest;

	if (status == STREAM_TOO_LONG) {
		/* The view does not outlive the next read. */
		buf_reset(&c->long_line);
		buf_str(&c->long_line, *line);
		*line = buf_view(&c->long_line);
		for (size_t i = 0; status == STREAM_TOO_LONG; i++) {
			if (i == LINE_PIECES_MAX)
				c->nonsense = true;
			if (c->nonsense)
				return good(c, STREAM_ERROR);
			status = stream_read_line(c->stream, LINE_MAX_KEPT, &rest);
		}
	}
	if (!good(c, status))
		return false;
	*line = str_trim_end(*line);
	if (c->st->rules)
		filter_line(c, line);
	return true;
}

/*
 * Some servers greet with lines of which only one has a code. As long as each command waits for its reply
 * that does no harm; with PIPELINING replies could be taken for each other's.
 */
static bool
overlooks(struct connection *c, struct str line)
{
	if ((c->features.bits & FEATURE_PIPELINING) || c->strange == STRANGE_MAX)
		return false;
	if (c->strange++ == 0)
		log_warning("host %.*s says what is no reply: %.*s", STR_ARG(c->peer),
		    STR_ARG(str_sub(line, 0, 100)));
	return true;
}

bool
connection_hear(struct connection *c, int64_t ms)
{
	enum smtp_reply_status status = SMTP_REPLY_MORE;
	bool strange = false;
	struct str line;

	smtp_reply_reset(&c->reply);
	if (c->broken != STREAM_OK)
		return false;
	limit_reply(c, ms);
	while (status == SMTP_REPLY_MORE) {
		if (!read_line(c, &line)) {
			c->nonsense = c->nonsense || strange;
			return false;
		}
		status = smtp_reply_line(&c->reply, line);
		if (status == SMTP_REPLY_BAD && overlooks(c, line)) {
			strange = true;
			status = SMTP_REPLY_MORE;
		}
	}
	if (status == SMTP_REPLY_BAD) {
		c->nonsense = true;
		return good(c, STREAM_ERROR);
	}
	if (c->reply.code == 421)
		c->closing = true;
	return true;
}

bool
connection_ask(struct connection *c, int64_t ms, const char *format, ...)
{
	struct buf line = {0};
	va_list ap;
	bool ok;

	va_start(ap, format);
	buf_vprintf(&line, format, ap);
	va_end(ap);
	connection_say(c, "%.*s", (int)line.len, line.data);
	buf_free(&line);
	ok = connection_flush(c, ms) && connection_hear(c, ms);
	return ok;
}

int
connection_class(const struct connection *c)
{
	return c->reply.code / 100;
}
