/*
 * data - DATA: from "354" to "queued as"
 */
#include "smtpd/data.h"
#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "smtpd/command.h"
#include "smtpd/content.h"
#include "smtpd/limits.h"
#include "smtpd/reply.h"
#include "smtpd/transaction.h"

/* Bytes taken from the stream at a time. */
#define PIECE 16384

/* False: the client is gone, or has sent so much after a refusal that it is hung up on. */
static bool
data_receive(struct session *s, struct content *c)
{
	int64_t started = fiber_now();

	while (!content_ended(c)) {
		struct str view;
		enum stream_status status;

		stream_deadline(s->client, session_deadline(s, started, content_size(c)));
		status = stream_peek(s->client, 1, &view);
		if (status != STREAM_OK) {
			session_lost(s, status);
			return false;
		}
		stream_skip(s->client, content_data(c, str_sub(view, 0, PIECE)));
		if (content_hopeless(c))
			return false;
	}
	return true;
}

void
data_refuse(struct session *s, struct str id, const struct submit_refusal *no)
{
	const struct transaction *t = s->transaction;
	struct str rcpt = t && t->n_rcpts > 0 ? t->rcpts[0].orig : STR_EMPTY;

	reply_reject(s, id, rcpt, (int)no->code, no->dsn, "%s", no->text);
}

/* The client heard 354 and sends; what becomes of it? */
static bool
data_content(struct session *s, struct content *c)
{
	struct buf id = {0};
	bool complete, good = false;

	complete = data_receive(s, c);
	if (!complete && s->ended)
		return false;
	s->where = "END-OF-MESSAGE";
	if (complete && content_commit(c, &id)) {
		limits_forgive(s);
		reply(s, 250, "2.0.0", "Ok: queued%s%s", id.len ? " as " : "", buf_cstr(&id));
		good = true;
	} else {
		data_refuse(s, content_id(c), content_refusal(c));
		if (!complete)
			session_end_for(s, "too much content after a refusal");
	}
	buf_free(&id);
	transaction_end(&s->transaction);
	return good;
}

bool
data_command(struct session *s, const struct command *c)
{
	struct submit_refusal no;
	struct content *content;
	enum stream_status status;

	(void)c;
	content = content_begin(s, false, &no);
	if (!content) {
		data_refuse(s, STR_EMPTY, &no);
		return false;
	}
	s->transaction->content = content;
	reply(s, 354, "", "End data with <CR><LF>.<CR><LF>");
	/* A client that has not heard this is not to be waited for. */
	status = stream_flush(s->client);
	if (status != STREAM_OK) {
		session_lost(s, status);
		return false;
	}
	return data_content(s, content);
}
