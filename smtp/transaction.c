/*
 * transaction - one message over one connection: MAIL, RCPT, and the content
 *
 * With PIPELINING all commands leave in one packet, a small message by BDAT with them. Replies come in the
 * order of the commands; a list of steps says what the next one answers. What has been sent and not been
 * answered is kept below what any socket buffers, so that neither side ever waits for the other to read.
 */
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "smtp/body.h"
#include "smtp/client.h"
#include "smtp/delivery.h"
#include "smtp/envelope.h"

#define UNANSWERED_MAX 8192 /* bytes of commands */
#define LAST_WORDS_MS 1000
#define MAIL_ACTION "sending MAIL FROM"

enum kind { STEP_RSET, STEP_XFORWARD, STEP_MAIL, STEP_RCPT, STEP_DATA, STEP_BDAT_FIRST, STEP_BDAT };

struct step {
	enum kind kind;
	struct target *target; /* RCPT */
};

struct transaction {
	struct delivery *d;
	struct connection *c;
	struct envelope envelope;
	struct failure why; /* of a body that was stopped */
	struct step *steps;
	size_t said, heard;
	size_t unanswered; /* bytes */
	bool pipelining, lmtp, chunking;
	bool answered;             /* MAIL was */
	bool mail_ok, content_now; /* 354 */
	bool unsure;               /* of some recipient, whether the server has taken it */
	bool dead;                 /* an old connection that is no good any more */
	bool chunk_answered;       /* the chunk that went with the commands was */
	size_t accepted;
};

static const char *
action_of(enum kind kind)
{
	static const char *const actions[] = {
	    [STEP_RSET] = "sending RSET",
	    [STEP_XFORWARD] = "sending XFORWARD",
	    [STEP_MAIL] = MAIL_ACTION,
	    [STEP_RCPT] = "sending RCPT TO",
	    [STEP_DATA] = "sending DATA command",
	    [STEP_BDAT_FIRST] = "sending BDAT command",
	    [STEP_BDAT] = "sending end of data -- message may be sent more than once",
	};

	return actions[kind];
}

static int64_t
patience(const struct settings *st, enum kind kind)
{
	switch (kind) {
	case STEP_RSET:
		return st->rset_ms;
	case STEP_XFORWARD:
		return st->xforward_ms;
	case STEP_MAIL:
		return st->mail_ms;
	case STEP_RCPT:
		return st->rcpt_ms;
	case STEP_DATA:
	case STEP_BDAT_FIRST:
		return st->data_init_ms;
	default:
		return st->data_done_ms;
	}
}

/* --- Replies -------------------------------------------------------------------------------------- */

static void
fail_by_reply(struct transaction *t, const char *command, bool accepted_only)
{
	struct failure f;

	failure_by_reply(&f, t->d->arena, t->c, command);
	delivery_fail(t->d, &f, accepted_only);
}

/*
 * RFC 5321 section 4.5.3.1.10: some servers say 552 for what should be 452, too many recipients, which is no
 * reason to return the mail. Where none was accepted before, or another cause is named, it means what it says.
 */
static void
mend_552(const struct transaction *t, struct smtp_reply *r)
{
	bool too_many = r->dsn.class == 0 || (r->dsn.subject == 5 && r->dsn.detail == 3);

	if (r->code != 552 || t->accepted == 0 || !too_many)
		return;
	r->code = 452;
	r->dsn.class = r->dsn.class ? 4 : 0;
}

static void
take_rcpt(struct transaction *t, struct target *target)
{
	struct smtp_reply *r = &t->c->reply;
	struct failure f;

	t->unsure = t->unsure || connection_class(t->c) < 4;
	if (!t->mail_ok || !target->open)
		return;
	target->answered = true;
	if (connection_class(t->c) == 2) {
		target->accepted = true;
		t->accepted++;
		if (t->d->m->probe && !t->c->st->verify_data)
			target_sent(t->d, target, t->c);
		return;
	}
	mend_552(t, r);
	failure_by_reply(&f, t->d->arena, t->c, "RCPT TO command");
	target_fail(t->d, target, &f);
}

/* Of a command: RFC 5321 section 4.2.2. */
static bool
is_unknown(int code)
{
	return code == 500 || code == 502;
}

/* The offer was not meant: by DATA the next time, which is no reason to return the mail. */
static void
excuse_chunks(struct transaction *t, struct failure *f)
{
	if (!t->chunking || !is_unknown(t->c->reply.code))
		return;
	chunking_refused(&t->d->client->chunking, t->c->relay);
	f->hard = false;
	f->dsn = STR("4.5.1");
	/* It may have taken the content for commands. */
	t->c->broken = STREAM_ERROR;
}

/* The answers to the end of the message: one, or with LMTP one per recipient that was accepted. */
static void
take_end(struct transaction *t, struct target *target)
{
	struct failure f;

	if (connection_class(t->c) != 2) {
		failure_by_reply(
		    &f, t->d->arena, t->c, t->chunking ? "BDAT command" : "end of DATA command");
		excuse_chunks(t, &f);
		target_fail(t->d, target, &f);
	} else {
		target_sent(t->d, target, t->c);
	}
}

/* What a server said before it went is the better reason: who was refused keeps it. */
static void
lose(struct transaction *t, const char *action)
{
	struct failure f;

	if (!t->answered && t->c->uses > 1) {
		t->dead = true;
		return;
	}
	failure_by_loss(&f, t->d->arena, t->c, action);
	f.unreachable = !t->answered;
	for (size_t i = 0; i < t->d->n && (t->mail_ok || !t->answered); i++) {
		struct target *target = &t->d->targets[i];

		if (target->accepted || !target->answered)
			target_fail(t->d, target, &f);
	}
}

static void
note_end(struct transaction *t, bool sent)
{
	delivery_step(t->d, sent ? DELIVERY_ENDS : DELIVERY_TALKS);
}

/* False: the connection is broken. */
static bool
hear_end(struct transaction *t, bool first_heard)
{
	struct connection *c = t->c;

	for (size_t i = 0; i < t->d->n; i++) {
		struct target *target = &t->d->targets[i];

		if (!target->open || !target->accepted)
			continue;
		if (!first_heard && !connection_hear(c, c->st->data_done_ms)) {
			lose(t, action_of(STEP_BDAT));
			return false;
		}
		/* One answer for all, unless each has its own. */
		first_heard = !t->lmtp;
		take_end(t, target);
	}
	return true;
}

/*
 * Was all of the message sent with its commands? Then an old connection on which RSET fails, and MAIL does not, is
 * good enough: on another one the message would come twice.
 */
static bool
went_out(const struct transaction *t)
{
	return t->said > 0 && t->steps[t->said - 1].kind == STEP_BDAT;
}

static void
take_reply(struct transaction *t, const struct step *step)
{
	int class = connection_class(t->c);

	switch (step->kind) {
	case STEP_RSET:
		if (class == 2)
			break;
		t->c->closing = true;
		t->dead = !went_out(t);
		break;
	case STEP_XFORWARD:
		if (class != 2)
			log_warning("host %.*s said: %03d to XFORWARD", STR_ARG(t->c->peer),
			    t->c->reply.code);
		break;
	case STEP_MAIL:
		if (t->c->uses > 1 && t->c->closing && (class != 2 || !went_out(t))) {
			t->dead = true;
			break;
		}
		t->answered = t->d->reached = true;
		t->mail_ok = class == 2;
		if (!t->mail_ok)
			fail_by_reply(t, "MAIL FROM command", false);
		break;
	case STEP_RCPT:
		take_rcpt(t, step->target);
		break;
	case STEP_DATA:
		t->content_now = class == 3;
		if (!t->content_now && t->accepted > 0)
			fail_by_reply(t, "DATA command", true);
		break;
	case STEP_BDAT_FIRST:
		t->c->takes_chunks = class == 2;
		break;
	case STEP_BDAT:
		t->chunk_answered = true;
		break;
	}
}

/* Hears what has not been answered. False: broken, or dead. */
static bool
catch_up(struct transaction *t)
{
	const struct step *step = &t->steps[t->heard];

	if (t->heard < t->said && !connection_flush(t->c, patience(t->c->st, step->kind))) {
		lose(t, action_of(step->kind));
		return false;
	}
	while (t->heard < t->said && !t->dead) {
		step = &t->steps[t->heard];
		if (!connection_hear(t->c, patience(t->c->st, step->kind))) {
			lose(t, action_of(step->kind));
			return false;
		}
		t->heard++;
		take_reply(t, step);
	}
	t->unanswered = 0;
	return !t->dead;
}

/* Says LINE; waits for its reply unless more can go before. */
static bool
say(struct transaction *t, enum kind kind, struct target *target, struct buf *line)
{
	connection_say(t->c, "%.*s", (int)line->len, line->data);
	t->steps[t->said++] = (struct step){kind, target};
	t->unanswered += line->len + 2;
	buf_reset(line);
	return (t->pipelining && t->unanswered < UNANSWERED_MAX) || catch_up(t);
}

/* --- Commands ------------------------------------------------------------------------------------- */

static bool
say_mail(struct transaction *t, struct buf *line)
{
	struct failure f;

	if (t->c->uses > 1) {
		buf_puts(line, "RSET");
		if (!say(t, STEP_RSET, NULL, line))
			return false;
	}
	if (envelope_xforward(t->d, t->c, line) && !say(t, STEP_XFORWARD, NULL, line))
		return false;
	buf_reset(line);
	if (!envelope_mail(t->d, t->c, &t->envelope, line, &f)) {
		delivery_fail(t->d, &f, false);
		return false;
	}
	return say(t, STEP_MAIL, NULL, line);
}

static bool
say_rcpts(struct transaction *t, struct buf *line)
{
	for (size_t i = 0; i < t->d->n; i++) {
		struct target *target = &t->d->targets[i];
		struct failure f;

		if (!target->open)
			continue;
		if (t->answered && !t->mail_ok)
			return catch_up(t);
		buf_reset(line);
		if (!envelope_rcpt(t->d, &t->envelope, target->rcpt, line, &f)) {
			target_fail(t->d, target, &f);
			continue;
		}
		if (!say(t, STEP_RCPT, target, line))
			return false;
	}
	return true;
}

/* --- The end -------------------------------------------------------------------------------------- */

/*
 * A server that has had enough may say so before the end, and hang up: what it said is the answer, or the
 * same would be sent to it again and again.
 */
static bool
last_words(struct connection *c)
{
	enum stream_status broken = c->broken;
	bool heard;

	if (broken != STREAM_ERROR && broken != STREAM_EOF)
		return false;
	c->broken = STREAM_OK;
	heard = connection_hear(c, LAST_WORDS_MS) && connection_class(c) >= 4;
	c->broken = broken;
	c->nonsense = false;
	return heard;
}

static enum transaction_result
end_of_body(struct transaction *t, enum body_result result)
{
	struct failure f;

	t->c->closing = t->c->closing || result != BODY_SENT;
	switch (result) {
	case BODY_LOST:
		return TRANSACTION_ABORTED;
	case BODY_BROKEN:
		if (last_words(t->c))
			fail_by_reply(t, "message body", true);
		else
			lose(t, "sending message body");
		break;
	case BODY_REFUSED:
		failure_by_reply(&f, t->d->arena, t->c, "BDAT command");
		excuse_chunks(t, &f);
		delivery_fail(t->d, &f, true);
		break;
	case BODY_STOPPED:
		/* The server waits for the end of a message that must not come. */
		t->c->broken = STREAM_ERROR;
		delivery_fail(t->d, &t->why, true);
		break;
	case BODY_SENT:
		note_end(t, true);
		(void)hear_end(t, false);
		break;
	}
	return TRANSACTION_DONE;
}

/*
 * The server wants content, and nobody is there to get it: a dot alone gets out of that (RFC 2920 section
 * 3.1). Where a recipient was perhaps taken after all, this would make a message of it; better none.
 */
static void
send_nothing(struct transaction *t)
{
	if (t->unsure || t->lmtp)
		t->c->broken = STREAM_ERROR;
	else
		(void)connection_ask(t->c, t->c->st->data_done_ms, ".");
}

static enum transaction_result
by_data(struct transaction *t, struct buf *line)
{
	buf_puts(line, "DATA");
	if (!say(t, STEP_DATA, NULL, line) || !catch_up(t))
		return t->dead ? TRANSACTION_DEAD : TRANSACTION_DONE;
	if (!t->content_now)
		return TRANSACTION_DONE;
	if (t->accepted == 0) {
		send_nothing(t);
		return TRANSACTION_DONE;
	}
	return end_of_body(t, body_send_dots(t->d, t->c, t->envelope.convert, &t->why));
}

/* Says "BDAT SIZE WORD", and the bytes at DATA. False: the connection is broken. */
static bool
say_chunk(struct transaction *t, enum kind kind, struct str data, const char *word)
{
	connection_say(t->c, "BDAT %zu%s", data.len, word);
	t->steps[t->said++] = (struct step){kind, NULL};
	if (connection_write(t->c, data, t->c->st->data_xfer_ms))
		return true;
	lose(t, "sending message body");
	return false;
}

/* The first chunk of a connection (body.h). False: the rest is not wanted. */
static bool
by_first_chunk(struct transaction *t, struct str first)
{
	struct failure f;

	if (!say_chunk(t, STEP_BDAT_FIRST, first, "") || !catch_up(t))
		return false;
	if (t->c->takes_chunks || (t->accepted == 0 && !is_unknown(t->c->reply.code)))
		return t->accepted > 0;
	/* Who did not know BDAT has the byte before the next command. */
	t->c->closing = true;
	failure_by_reply(&f, t->d->arena, t->c, "BDAT command");
	excuse_chunks(t, &f);
	delivery_fail(t->d, &f, true);
	return false;
}

/* Everything in one packet, the content too, but for the first time on a connection. */
static enum transaction_result
by_one_chunk(struct transaction *t)
{
	enum transaction_result result = TRANSACTION_DONE;
	enum body_result body;
	struct buf wire = {0};
	size_t first;

	body = body_encode(t->d, t->c, t->envelope.convert, &wire, &t->why);
	first = t->c->takes_chunks || wire.len == 0 ? 0 : BODY_FIRST_CHUNK;
	t->chunking = true;
	if (body == BODY_STOPPED) {
		t->c->broken = STREAM_ERROR;
		delivery_fail(t->d, &t->why, false);
	} else if (body == BODY_SENT && first > 0 &&
	    !by_first_chunk(t, str_sub(buf_view(&wire), 0, first))) {
		;
	} else if (body != BODY_SENT || !body_wanted(t->d)) {
		t->c->broken = STREAM_ERROR;
		result = TRANSACTION_ABORTED;
	} else if (say_chunk(t, STEP_BDAT, str_from(buf_view(&wire), first), " LAST")) {
		note_end(t, true);
		if (catch_up(t) && t->chunk_answered)
			(void)hear_end(t, true);
	}
	buf_free(&wire);
	return t->dead ? TRANSACTION_DEAD : result;
}

static enum transaction_result
send_content(struct transaction *t, struct buf *line)
{
	bool chunking = (t->c->features.bits & FEATURE_CHUNKING) &&
	    chunking_works(&t->d->client->chunking, t->c->relay);

	if (chunking && t->pipelining && t->d->content.whole && t->heard < t->said)
		return by_one_chunk(t);
	if (!t->pipelining || chunking) {
		if (!catch_up(t))
			return t->dead ? TRANSACTION_DEAD : TRANSACTION_DONE;
		if (t->accepted == 0)
			return TRANSACTION_DONE;
	}
	t->chunking = chunking && (t->envelope.eight_bit || !t->d->content.whole);
	if (t->chunking)
		return end_of_body(t, body_send_chunks(t->d, t->c, t->envelope.convert, &t->why));
	return by_data(t, line);
}

/* No mail, only the question whether it would be taken (smtp_address_verify_target). */
static void
probe(struct transaction *t, struct buf *line)
{
	if (!catch_up(t) || !t->c->st->verify_data || t->accepted == 0)
		return;
	buf_puts(line, "DATA");
	if (!say(t, STEP_DATA, NULL, line) || !catch_up(t) || !t->content_now)
		return;
	for (size_t i = 0; i < t->d->n; i++)
		if (t->d->targets[i].accepted)
			target_sent(t->d, &t->d->targets[i], t->c);
	/* The server waits for content, which does not come. */
	t->c->broken = STREAM_ERROR;
}

enum transaction_result
transaction_run(struct delivery *d, struct connection *c)
{
	struct transaction t = {.d = d, .c = c, .lmtp = c->st->lmtp};
	enum transaction_result result = TRANSACTION_DONE;
	struct buf line = {0};
	struct failure f;

	d->talked_us = clock_wall_us();
	c->uses++;
	for (size_t i = 0; i < d->n; i++)
		d->targets[i].accepted = d->targets[i].answered = false;
	if (!envelope_fit(d, c, &t.envelope, &f)) {
		d->reached = true;
		delivery_fail(d, &f, false);
		return result;
	}
	t.pipelining = (c->features.bits & FEATURE_PIPELINING) != 0;
	t.steps = arena_array(d->arena, d->n + 5, sizeof(*t.steps));
	if (!say_mail(&t, &line) || !say_rcpts(&t, &line))
		result = t.dead ? TRANSACTION_DEAD : TRANSACTION_DONE;
	else if (d->m->probe)
		probe(&t, &line);
	else
		result = send_content(&t, &line);
	if (t.dead)
		result = TRANSACTION_DEAD;
	/* Replies that were not heard would be taken for those of the next message. */
	c->closing = c->closing || t.heard < t.said;
	note_end(&t, false);
	buf_free(&line);
	return result;
}
