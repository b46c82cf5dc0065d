/*
 * bdat - BDAT (RFC 3030): content in counted chunks
 *
 * A chunk follows its command at once, so it is read whatever the answer: only a command whose count
 * cannot be read, or is absurd, ends the session, since nobody knows where the next command begins.
 */
#include "lib/smtp/bdat.h"

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

/* The chunk is read and thrown away, then comes the reply. */
static bool
chunk_refuse(struct session *s, const struct smtp_bdat *b, int code, const char *text)
{
	if (b->size > SKIP_MAX) {
		reply(s, code, "5.5.1", "Error: %s", text);
		session_end_for(s, "too large a chunk after a refusal");
	} else if (chunk_receive(s, NULL, b->size)) {
		reply(s, code, "5.5.1", "Error: %s", text);
	}
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
	if (b->size > SKIP_MAX)
		session_end_for(s, "too large a chunk after a refusal");
	else if (!chunk_receive(s, NULL, b->size))
		return false;
	data_refuse(s, STR_EMPTY, &no);
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
		reply(s, 551, "5.0.0", "Discarded %llu bytes after earlier error",
		    (unsigned long long)b->size);
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
		return chunk_refuse(s, &b, 503, "need RCPT command");
	if (s->transaction->n_rcpts == 0)
		return chunk_refuse(s, &b, 554, "no valid recipients");
	if (!s->transaction->content && !chunk_begin(s, &b))
		return false;
	return chunk_take(s, &b);
}
