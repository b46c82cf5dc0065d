/*
 * content - from the wire to the sink
 *
 * What comes in is a stranger's: nothing of it is looked at here but line ends and size. Memory is one
 * piece of the wire, whatever the size of the message.
 */
#include "smtpd/content.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/intake/intake.h"
#include "lib/mail/dsn.h"
#include "lib/mail/received.h"
#include "lib/mail/verp.h"
#include "lib/smtp/dots.h"
#include "smtpd/transaction.h"

/* After a refusal so much more is read (or four times message_size_limit), then the client is left. */
#define DRAIN_MIN (64ULL << 20)

struct content {
	struct session *session;
	struct sink_message *message; /* NULL: committed or given up */
	struct intake *intake;        /* NULL: the sink takes content as it came */
	struct dots dots;
	struct buf decoded;
	uint64_t size; /* bytes decoded */
	uint64_t drained;
	struct buf received; /* the trace header, for the intake */
	struct buf id;
	bool refused;
	struct submit_refusal no;
};

static void
refusal_set(struct submit_refusal *no, unsigned code, const char *dsn, struct str text)
{
	no->code = code;
	snprintf(no->dsn, sizeof(no->dsn), "%s", dsn);
	snprintf(no->text, sizeof(no->text), "%.*s", STR_ARG(text));
}

/* The first refusal counts; what the sink has of the message is taken back at once. */
static void
content_refuse(struct content *c, unsigned code, const char *dsn, struct str text)
{
	if (c->refused)
		return;
	c->refused = true;
	refusal_set(&c->no, code, dsn, text);
	c->session->server->sink->cancel(&c->message);
}

/* The sink failed; it knows why. */
static void
content_sink_failed(struct content *c)
{
	struct buf id = {0};

	if (c->refused)
		return;
	c->refused = true;
	refusal_set(&c->no, 451, "4.3.0", STR("Error: queue file write error"));
	if (c->message && c->session->server->sink->commit(&c->message, &id, &c->no))
		log_panic("%.*s: a message was committed after its content had failed",
		    STR_ARG(buf_view(&id)));
	buf_free(&id);
}

static bool
to_sink(void *arg, struct str chunk)
{
	struct content *c = arg;

	return c->session->server->sink->content(c->message, chunk);
}

static void
intake_result(struct content *c, enum intake_status status)
{
	struct dsn_split split;
	char dsn[DSN_TEXT_SIZE];

	switch (status) {
	case INTAKE_OK:
		return;
	case INTAKE_SINK_FAILED:
		content_sink_failed(c);
		return;
	case INTAKE_TOO_MANY_HOPS:
		content_refuse(c, 554, "5.4.0", STR("Error: too many hops"));
		return;
	case INTAKE_REFUSED:
		dsn_split(intake_why(c->intake), &split);
		if (split.dsn.class)
			dsn_text(&split.dsn, dsn);
		else
			snprintf(dsn, sizeof(dsn), "%s", split.code >= 500 ? "5.7.1" : "4.7.1");
		content_refuse(c, split.code ? (unsigned)split.code : 554, dsn, split.text);
		return;
	}
}

/* What was decoded goes on its way, or nowhere after a refusal. */
static void
content_pass(struct content *c, size_t wire)
{
	uint64_t max = c->session->server->settings.message_max;
	struct str piece = buf_view(&c->decoded);

	c->size += piece.len;
	if (c->refused)
		c->drained += wire;
	else if (max > 0 && c->size > max)
		content_refuse(c, 552, "5.3.4", STR("Error: message file too big"));
	else if (piece.len == 0)
		return;
	else if (c->intake)
		intake_result(c, intake_data(c->intake, piece));
	else if (!to_sink(c, piece))
		content_sink_failed(c);
}

size_t
content_data(struct content *c, struct str in)
{
	size_t taken;

	buf_reset(&c->decoded);
	taken = dots_decode(&c->dots, in, &c->decoded);
	content_pass(c, taken);
	return taken;
}

static enum dots_mode
newline_mode(const struct session *s)
{
	if (s->newlines_excepted || s->server->stand_alone)
		return DOTS_LF_IS_CRLF;
	switch (s->server->settings.newlines) {
	case NEWLINE_REJECT:
		return DOTS_REJECT;
	case NEWLINE_NORMALIZE:
		return DOTS_NORMALIZE;
	default:
		return DOTS_LF_IS_CRLF;
	}
}

/* The trace header of a message that came by SMTP. */
static void
content_received(struct content *c)
{
	const struct session *s = c->session;
	const struct transaction *t = s->transaction;
	unsigned protocol = 0;
	struct received r = {0};

	if (strcmp(s->protocol, "ESMTP") == 0)
		protocol |= RECEIVED_ESMTP;
	if (t->smtputf8)
		protocol |= RECEIVED_UTF8;
	r.myhostname = s->server->myhostname;
	r.mail_name = conf_str(s->server->conf, P_mail_name);
	r.queue_id = buf_view(&c->id);
	r.time = clock_wall();
	r.helo = str_c(s->helo);
	r.name = str_c(s->peer.name);
	r.address = str_c(s->peer.address);
	r.with = str_c(received_with(protocol));
	if (t->n_rcpts == 1)
		r.recipient = t->rcpts[0].address;
	received_smtp(&r, &c->received);
}

static void
content_intake(struct content *c)
{
	const struct session *s = c->session;
	struct intake_context context = {
	    .conf = s->server->conf,
	    .queue_id = buf_view(&c->id),
	    .local = s->rewrites,
	    .sender = s->transaction->sender,
	    .arrival_us = clock_wall_us(),
	};

	content_received(c);
	context.received = buf_view(&c->received);
	c->intake = intake_new(&context, to_sink, c);
}

static bool
content_envelope(struct content *c)
{
	const struct session *s = c->session;
	const struct transaction *t = s->transaction;
	char port[8];
	struct msg_attr attrs[] = {
	    {STR("client_name"), str_c(s->peer.name)},
	    {STR("client_address"), str_c(s->peer.address)},
	    {STR("client_port"), str_c(port)},
	    {STR("client_addr_type"), strchr(s->peer.address, ':') ? STR("inet6") : STR("inet")},
	    {STR("protocol_name"), str_c(s->protocol)},
	    {STR("helo_name"), str_c(s->helo)},
	    {STR(VERP_ATTRIBUTE), t->verp},
	};
	struct msg_submit_envelope envelope = {
	    .sender = address_text(&t->sender, t->arena),
	    .ret = t->ret,
	    .envid = t->envid,
	    .smtputf8 = t->smtputf8 || t->utf8,
	    .body_8bit = t->body_8bit,
	    .attrs = {attrs, sizeof(attrs) / sizeof(attrs[0])},
	};

	snprintf(port, sizeof(port), "%u", (unsigned)s->peer.port);
	attrs[2].value = str_c(port);
	/* What there is not is left out; it stands at the end. */
	if (t->verp.len == 0)
		envelope.attrs.count--;
	if (!s->helo)
		attrs[5] = attrs[--envelope.attrs.count];
	return s->server->sink->envelope(c->message, &envelope, t->rcpts, t->n_rcpts);
}

struct content *
content_begin(struct session *s, bool chunked, struct submit_refusal *no)
{
	const struct server *server = s->server;
	struct content *c = MEM_NEW(struct content);

	c->session = s;
	c->message = server->sink->begin(server->sink_context, s->transaction->size,
	    fiber_after(server->settings.begin_timeout_ms), no);
	if (!c->message) {
		free(c);
		return NULL;
	}
	buf_str(&c->id, server->sink->id(c->message));
	if (chunked)
		dots_init_plain(&c->dots, newline_mode(s));
	else
		dots_init(&c->dots, newline_mode(s));
	if (c->id.len)
		log_info("%.*s: client=%s", STR_ARG(buf_view(&c->id)), s->peer.namaddr);
	if (!content_envelope(c))
		content_sink_failed(c);
	else if (server->sink->completes)
		content_intake(c);
	return c;
}

void
content_free(struct content **cp)
{
	struct content *c = *cp;

	if (!c)
		return;
	c->session->server->sink->cancel(&c->message);
	intake_free(&c->intake);
	buf_free(&c->decoded);
	buf_free(&c->received);
	buf_free(&c->id);
	free(c);
	*cp = NULL;
}

bool
content_ended(const struct content *c)
{
	return c->dots.ended;
}

const struct submit_refusal *
content_refusal(const struct content *c)
{
	return c->refused ? &c->no : NULL;
}

uint64_t
content_size(const struct content *c)
{
	return c->dots.consumed;
}

bool
content_hopeless(const struct content *c)
{
	uint64_t max = c->session->server->settings.message_max;
	uint64_t drain = max > DRAIN_MIN / 4 ? max * 4 : DRAIN_MIN;

	return c->drained > drain;
}

struct str
content_id(const struct content *c)
{
	return buf_view(&c->id);
}

/* Line ends that are none: smtpd_forbid_bare_newline = reject, or note. */
static void
check_newlines(struct content *c)
{
	struct session *s = c->session;
	char text[128];
	const char *what = c->dots.bare_lf ? "<LF>" : "<CR>";

	if (!c->dots.bare_lf && !c->dots.bare_cr)
		return;
	if (s->newlines_excepted || s->server->stand_alone)
		return;
	if (s->server->settings.newlines == NEWLINE_NOTE) {
		log_info("%.*s: bare %s received in content from %s", STR_ARG(content_id(c)), what,
		    s->peer.namaddr);
	} else if (s->server->settings.newlines == NEWLINE_REJECT) {
		snprintf(text, sizeof(text), "Error: bare %s received", what);
		content_refuse(c, (unsigned)s->server->settings.newline_code, "5.5.2", str_c(text));
	}
}

bool
content_commit(struct content *c, struct buf *id)
{
	if (c->dots.plain && !c->refused) {
		buf_reset(&c->decoded);
		dots_finish_plain(&c->dots, &c->decoded);
		content_pass(c, 0);
	}
	check_newlines(c);
	if (!c->refused && c->intake) {
		intake_result(c, intake_end(c->intake));
		log_as("cleanup", LOG_LEVEL_INFO, "%.*s: message-id=%.*s", STR_ARG(content_id(c)),
		    STR_ARG(intake_message_id(c->intake)));
	}
	if (c->refused)
		return false;
	if (c->session->server->sink->commit(&c->message, id, &c->no))
		return true;
	c->refused = true;
	return false;
}
