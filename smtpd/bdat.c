/*
 * bdat - BDAT (RFC 3030): content in counted chunks
 *
 * A chunk follows its command at once, so it is read whatever the answer: only a command whose count
 * cannot be read, or is absurd, ends the session, since nobody knows where the next command begins.
 */
#include "lib/smtp/bdat.h"

#include <stdio.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "smtpd/command.h"
#include "smtpd/content.h"
#include "smtpd/data.h"
#include "smtpd/limits.h"
#include "smtpd/reply.h"
#include "smtpd/transaction.h"

#define PIECE 16384
/* A chunk that will not be used is read to its end up to here. */
#define SKIP_MAX (64ULL << 20)

/* Reads the chunk, into C or (NULL) away. False: the session has ended. */
static bool
chunk_receive(struct session *s, struct content *c, uint64_t size)
{
	int64_t started = fiber_now();

	for (uint64_t done = 0; done < size;) {
		uint64_t left = size - done;
		struct str piece;
		enum stream_status status;

		stream_deadline(s->client, session_deadline(s, started, done));
		status = stream_read_some(s->client, left < PIECE ? (size_t)left : PIECE, &piece);
		if (status != STREAM_OK) {
			session_lost(s, status);
			return false;
		}
		done += piece.len;
		if (c)
			content_data(c, piece);
		if (c && content_hopeless(c)) {
			data_refuse(s, content_id(c), content_refusal(c));
			session_end_for(s, "too much content after a refusal");
			return false;
		}
	}
	return true;
}

/* The chunk is read and thrown away. True: the reply is due. */
static bool
chunk_skip(struct session *s, const struct smtp_bdat *b)
{
	if (b->size <= SKIP_MAX)
		return chunk_receive(s, NULL, b->size);
	session_end_for(s, "too large a chunk after a refusal");
	return true;
}

/*
 * The message lacks this chunk, so that those behind it are none by themselves: until the last has been
 * read, or RSET, all are refused for the same reason.
 */
static void
message_refused(struct session *s, const struct smtp_bdat *b, const struct submit_refusal *no)
{
	struct transaction *t = s->transaction;

	if (b->last) {
		transaction_end(&s->transaction);
		return;
	}
	t->no = arena_alloc(t->arena, sizeof(*t->no));
	*t->no = *no;
}

/* A chunk where none belongs. */
static bool
chunk_refuse(struct session *s, const struct smtp_bdat *b, const char *text)
{
	struct submit_refusal no = {.code = s->transaction ? 554 : 503, .dsn = "5.5.1"};

	if (!chunk_skip(s, b))
		return false;
	snprintf(no.text, sizeof(no.text), "Error: %s", text);
	reply(s, (int)no.code, no.dsn, "%s", no.text);
	if (s->transaction)
		message_refused(s, b, &no);
	return false;
}

/* The first chunk of a message: a queue ID is needed. */
static bool
chunk_begin(struct session *s, const struct smtp_bdat *b)
{
	struct submit_refusal no;

	s->transaction->content = content_begin(s, true, &no);
	if (s->transaction->content)
		return true;
	if (!chunk_skip(s, b))
		return false;
	data_refuse(s, STR_EMPTY, &no);
	message_refused(s, b, &no);
	return false;
}

/* What is said of a chunk that came after a refusal: what is temporary stays so. */
static void
reply_discarded(struct session *s, const struct smtp_bdat *b, const struct submit_refusal *no)
{
	bool permanent = no->code >= 500;

	reply(s, permanent ? 551 : (int)no->code, permanent ? "5.0.0" : no->dsn,
	    "Discarded %llu bytes after earlier error", (unsigned long long)b->size);
}

/* A chunk behind one that was refused. */
static bool
chunk_discard(struct session *s, const struct smtp_bdat *b)
{
	struct submit_refusal no = *s->transaction->no;

	if (!chunk_skip(s, b))
		return false;
	if (!b->last) {
		reply_discarded(s, b, &no);
		return false;
	}
	data_refuse(s, STR_EMPTY, &no);
	transaction_end(&s->transaction);
	return false;
}

/* After the last chunk: the answer to the message. */
static bool
chunk_last(struct session *s, struct content *c)
{
	struct buf id = {0};
	bool good;

	s->where = "END-OF-MESSAGE";
	good = content_commit(c, &id);
	if (good) {
		limits_forgive(s);
		reply(s, 250, "2.0.0", "Ok: %llu bytes queued%s%s",
		    (unsigned long long)content_size(c), id.len ? " as " : "", buf_cstr(&id));
	} else {
		data_refuse(s, content_id(c), content_refusal(c));
	}
	buf_free(&id);
	transaction_end(&s->transaction);
	return good;
}

/* A chunk of a message that is under way. */
static bool
chunk_take(struct session *s, const struct smtp_bdat *b)
{
	struct content *c = s->transaction->content;
	bool refused = content_refusal(c) != NULL;

	if ((refused && b->size > SKIP_MAX) || content_hopeless(c)) {
		data_refuse(s, content_id(c), content_refusal(c));
		session_end_for(s, "too much content after a refusal");
		return false;
	}
	if (!chunk_receive(s, c, b->size))
		return false;
	if (b->last)
		return chunk_last(s, c);
	if (refused) {
		reply_discarded(s, b, content_refusal(c));
		return false;
	}
	if (content_refusal(c)) {
		data_refuse(s, content_id(c), content_refusal(c));
		return false;
	}
	reply(s, 250, "2.0.0", "Ok: %llu bytes", (unsigned long long)b->size);
	return true;
}

bool
bdat_command(struct session *s, const struct command *c)
{
	struct smtp_bdat b;

	if (!smtp_bdat_parse(c->arg, &b)) {
		reply(s, 501, "5.5.4", "Syntax: BDAT count [LAST]");
		session_end_for(s, "lost synchronization");
		return false;
	}
	if (!s->transaction)
		return chunk_refuse(s, &b, "need RCPT command");
	if (s->transaction->no)
		return chunk_discard(s, &b);
	if (s->transaction->n_rcpts == 0)
		return chunk_refuse(s, &b, "no valid recipients");
	if (!s->transaction->content && !chunk_begin(s, &b))
		return false;
	return chunk_take(s, &b);
}
