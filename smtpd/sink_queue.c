/*
 * sink_queue - messages go to qmgr, which owns the spool
 */
#include "smtpd/sink.h"

static struct submit *
submission(const struct sink_message *m)
{
	return (struct submit *)(void *)(uintptr_t)m;
}

static struct sink_message *
queue_begin(void *context, uint64_t size, fiber_deadline deadline, struct submit_refusal *no)
{
	return (struct sink_message *)(void *)submit_begin(context, size, deadline, no);
}

static struct str
queue_id(const struct sink_message *m)
{
	return submit_id(submission(m));
}

static bool
queue_envelope(struct sink_message *m, const struct msg_submit_envelope *envelope,
    const struct msg_rcpt *rcpts, size_t n)
{
	return submit_envelope(submission(m), envelope, rcpts, n);
}

static bool
queue_content(struct sink_message *m, struct str chunk)
{
	return submit_content(submission(m), chunk);
}

static bool
queue_commit(struct sink_message **m, struct buf *id, struct submit_refusal *no)
{
	struct submit *s = submission(*m);
	size_t before = id->len;
	bool ok;

	buf_str(id, submit_id(s));
	ok = submit_commit(&s, no);
	if (!ok)
		buf_truncate(id, before);
	*m = NULL;
	return ok;
}

static void
queue_cancel(struct sink_message **m)
{
	struct submit *s = submission(*m);

	submit_cancel(&s);
	*m = NULL;
}

static bool
queue_flush(void *context, struct str site, fiber_deadline deadline, bool *allowed)
{
	return submit_flush(context, site, deadline, allowed);
}

const struct sink sink_queue = {
    .completes = true,
    .begin = queue_begin,
    .id = queue_id,
    .envelope = queue_envelope,
    .content = queue_content,
    .commit = queue_commit,
    .cancel = queue_cancel,
    .flush = queue_flush,
};
