/*
 * session - the greeting, the loop over commands, the end
 */
#include "smtpd/session.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "smtpd/access.h"
#include "smtpd/command.h"
#include "smtpd/content.h"
#include "smtpd/limits.h"
#include "smtpd/reply.h"
#include "smtpd/transaction.h"
#include "smtpd/trouble.h"

/* A line that is too long is read to its end to answer it; one of more bytes ends the session. */
#define LONG_LINE_MAX 65536
/* How much of what was said at the wrong time is logged. */
#define LOGGED_INPUT_MAX 100
/* A client that is told good-bye gets so long to take it. */
#define GOODBYE_MS 5000

static void
session_init(struct session *s, struct server *server, struct stream *client,
    const struct session_peer *peer)
{
	memset(s, 0, sizeof(*s));
	s->server = server;
	s->client = client;
	s->peer = *peer;
	s->protocol = "SMTP";
	s->where = "CONNECT";
	s->started = fiber_now();
	stream_timeout(client, server->settings.timeout_ms);
}

fiber_deadline
session_deadline(const struct session *s, int64_t started, uint64_t bytes)
{
	const struct settings *st = &s->server->settings;
	fiber_deadline whole = s->started + st->session_timeout_ms;
	fiber_deadline end = st->min_rate == 0
	    ? fiber_after(st->timeout_ms)
	    : started + st->timeout_ms + (int64_t)(bytes * 1000 / st->min_rate);

	return whole < end ? whole : end;
}

void
session_end_for(struct session *s, const char *reason)
{
	s->ended = true;
	if (reason && !s->reason)
		s->reason = reason;
}

void
session_lost(struct session *s, enum stream_status status)
{
	bool first = !s->ended;

	if (status == STREAM_TIMEOUT) {
		session_end_for(s, "timeout");
		stream_deadline(s->client, fiber_after(GOODBYE_MS));
		if (first)
			reply(s, 421, "4.4.2", "%.*s Error: timeout exceeded",
			    STR_ARG(s->server->myhostname));
	} else if (status == STREAM_CANCELED) {
		session_end_for(s, "shutdown");
		stream_deadline(s->client, fiber_after(GOODBYE_MS));
		if (first)
			reply(s, 421, "4.3.2", "%.*s Service shutting down",
			    STR_ARG(s->server->myhostname));
	} else {
		session_end_for(s, "lost connection");
	}
}

/* What a client said, on one line for the log. */
static void
input_text(struct stream *client, struct buf *out)
{
	struct str view;

	if (stream_buffered(client) == 0 || stream_peek(client, 1, &view) != STREAM_OK)
		return;
	view = str_sub(view, 0, LOGGED_INPUT_MAX);
	for (size_t i = 0; i < view.len; i++) {
		unsigned char c = (unsigned char)view.data[i];

		if (c == '\r')
			buf_puts(out, "\\r");
		else if (c == '\n')
			buf_puts(out, "\\n");
		else if (c < ' ' || c > '~')
			buf_printf(out, "\\%03o", c);
		else
			buf_putc(out, (char)c);
	}
}

unsigned
session_offered(const struct session *s)
{
	return s->server->settings.offered & ~(s->verp ? 0u : (unsigned)EHLO_XVERP);
}

bool
session_pipelining(struct session *s)
{
	struct buf text = {0};
	bool forbid = s->server->settings.forbid_pipelining;

	if (s->server->stand_alone || stream_buffered(s->client) == 0)
		return true;
	if (forbid || !s->pipelining_said) {
		input_text(s->client, &text);
		log_info("improper command pipelining after %s from %s: %s", s->where,
		    s->peer.namaddr, buf_cstr(&text));
		buf_free(&text);
		s->pipelining_said = true;
	}
	if (!forbid)
		return true;
	reply(s, 554, "5.5.0", "Error: SMTP protocol synchronization");
	session_end_for(s, NULL);
	return false;
}

/* May the client begin? A client that speaks before the greeting is no mail client. */
static bool
session_greet(struct session *s)
{
	struct str input;
	enum stream_status status;

	log_info("connect from %s", s->peer.namaddr);
	access_client(s);
	if (!limits_connect(s))
		return false;
	if (!s->server->stand_alone && stream_readable(s->client)) {
		status = stream_peek(s->client, 1, &input);
		if (status != STREAM_OK) {
			session_lost(s, status);
			return false;
		}
		if (!session_pipelining(s))
			return false;
	}
	reply_text(s, 220, "", conf_str(s->server->conf, P_smtpd_banner));
	return true;
}

/* Is there a whole line in the buffer already? Then the replies so far can wait for its reply. */
static bool
line_waiting(struct session *s)
{
	struct str view;

	return stream_buffered(s->client) > 0 && stream_peek(s->client, 1, &view) == STREAM_OK &&
	    memchr(view.data, '\n', view.len) != NULL;
}

/* Reads away the rest of a line that is too long. */
static enum stream_status
skip_line(struct session *s)
{
	struct str line;

	for (size_t skipped = 0; skipped < LONG_LINE_MAX; skipped += line.len) {
		enum stream_status status =
		    stream_read_line(s->client, s->server->settings.line_max, &line);

		if (status != STREAM_TOO_LONG)
			return status;
	}
	return STREAM_TOO_LONG;
}

/* Takes the line end off; without CR it is a fault where that is refused. */
static void
check_line_end(struct session *s, struct str *line, struct command *c)
{
	enum newline_policy policy = s->server->settings.newlines;

	line->len--;
	if (line->len > 0 && line->data[line->len - 1] == '\r') {
		line->len--;
		return;
	}
	if (s->newlines_excepted || s->server->stand_alone)
		return;
	if (policy == NEWLINE_REJECT)
		c->fault = COMMAND_BARE_LF;
	else if (policy == NEWLINE_NOTE && !s->newline_said) {
		log_info("bare <LF> received after %s from %s", s->where, s->peer.namaddr);
		s->newline_said = true;
	}
}

/* Sends the replies so far if the client waits for them; reads the next command. False: the end. */
static bool
session_read_command(struct session *s, struct command *c)
{
	enum stream_status status = STREAM_OK;
	struct str line;

	if (s->ended)
		return false;
	memset(c, 0, sizeof(*c));
	stream_deadline(s->client, session_deadline(s, fiber_now(), 0));
	if (!line_waiting(s))
		status = stream_flush(s->client);
	if (status == STREAM_OK)
		status = stream_read_line(s->client, s->server->settings.line_max, &line);
	if (status == STREAM_TOO_LONG) {
		status = skip_line(s);
		if (status == STREAM_TOO_LONG)
			session_end_for(s, "command line too long");
		c->fault = COMMAND_TOO_LONG;
		if (status == STREAM_TOO_LONG)
			return true;
	}
	if (status != STREAM_OK) {
		session_lost(s, status);
		return false;
	}
	if (c->fault == COMMAND_FINE) {
		check_line_end(s, &line, c);
		command_parse(line, s->server->settings.smtputf8, c);
	}
	return true;
}

static void
session_end(struct session *s)
{
	struct buf statistics = {0};
	const struct transaction *t = s->transaction;

	stream_deadline(s->client, fiber_after(GOODBYE_MS));
	stream_flush(s->client);
	if (s->reason && t && t->content)
		log_info("%s after %s (%llu bytes) from %s", s->reason, s->where,
		    (unsigned long long)content_size(t->content), s->peer.namaddr);
	else if (s->reason)
		log_info("%s after %s from %s", s->reason, s->where, s->peer.namaddr);
	command_statistics(s, &statistics);
	log_info("disconnect from %s%s", s->peer.namaddr, buf_cstr(&statistics));
	buf_free(&statistics);
	transaction_end(&s->transaction);
	limits_disconnect(s);
	trouble_tell(s);
	free(s->helo);
	peer_free(&s->peer);
}

void
session_run(struct server *server, struct stream *client, const struct session_peer *peer)
{
	struct session s;
	struct command c;

	server_enter(server);
	session_init(&s, server, client, peer);
	if (session_greet(&s))
		while (session_read_command(&s, &c))
			command_run(&s, &c);
	session_end(&s);
	server_leave(server);
}
