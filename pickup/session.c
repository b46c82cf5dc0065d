/*
 * session - a local submission over public/pickup
 *
 * The peer is postdrop (its group says so), which has checked the stream; the submitter's uid is the
 * kernel's word. See the protocol in lib/ipc/messages.h. Nothing is submitted before drop_commit, so a
 * peer that goes away leaves nothing behind.
 */
#include "pickup/session.h"

#include <stdlib.h>
#include <sysexits.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/ipc/channel.h"
#include "lib/queue/drop.h"
#include "pickup/message.h"

#define PEER_NAME "postdrop"
/* postdrop falls back to maildrop/ when it has waited trigger_timeout (10 s) for a start. */
#define QMGR_WAIT_MS 5000
/* Between two frames of a message: postdrop itself may wait for the program that feeds it. */
#define IDLE_MS 300000
/*
 * Envelopes of all sessions together, each as it came and once more as it is submitted: some of the largest. One of
 * less than HELD_FREE is always taken.
 */
#define HELD_MAX ((size_t)16 * DROP_ENVELOPE_MAX)
#define HELD_FREE ((size_t)64 << 10)
#define RCPTS_MAX 500000 /* of one message: what qmgr takes */

/* One message of a session. */
struct submission {
	struct ipc_channel *ch;
	struct arena *arena;
	struct message *message;
	const struct msg_drop_begin *begin;
	struct msg_rcpt *rcpts;
	size_t n_rcpts, cap_rcpts;
	size_t text;  /* bytes of addresses */
	size_t held;  /* bytes that it counts in the sum over all */
	bool content; /* the envelope is complete */
	uint64_t size;
};

static size_t held; /* bytes of envelopes, of all sessions */

static const struct ipc_schema *const expected_first[] = {&msg_drop_begin, NULL};
static const struct ipc_schema *const expected_more[] = {&msg_submit_rcpts, &msg_drop_commit, NULL};

static bool
send_done(struct ipc_channel *ch, const struct msg_drop_done *done)
{
	return ipc_send(ch, &msg_drop_done, done) == IPC_OK && ipc_flush(ch) == IPC_OK;
}

static void
send_no(struct ipc_channel *ch, const struct message_no *no)
{
	const struct msg_drop_done done = {
	    .id = STR_EMPTY,
	    .exit_status = (uint64_t)no->status,
	    .why = str_c(no->text),
	};

	(void)send_done(ch, &done);
}

static void
count_held(struct submission *s, size_t now)
{
	held += now - s->held;
	s->held = now;
}

/*
 * Not more than one message may have; nor, of all sessions together, than there is memory for: many users, or one with
 * many sessions, are told to come later, and postdrop keeps what it can in maildrop/.
 */
static bool
envelope_fits(struct submission *s, const struct msg_submit_rcpts *more)
{
	const struct msg_rcpt *list = more->rcpts.items;
	size_t now = 2 * (arena_used(s->arena) + s->cap_rcpts * sizeof(*s->rcpts));

	for (size_t i = 0; i < more->rcpts.count; i++)
		s->text += list[i].address.len + list[i].orcpt.len;
	if (s->text > DROP_ENVELOPE_MAX || s->n_rcpts + more->rcpts.count > RCPTS_MAX ||
	    more->rcpts.count == 0 || (now > HELD_FREE && held + (now - s->held) > HELD_MAX))
		return false;
	count_held(s, now);
	return true;
}

static bool
add_rcpts(struct submission *s, const struct msg_submit_rcpts *more)
{
	const struct msg_rcpt *list = more->rcpts.items;

	if (s->content || !envelope_fits(s, more))
		return false;
	for (size_t i = 0; i < more->rcpts.count; i++) {
		if (s->n_rcpts == s->cap_rcpts) {
			s->cap_rcpts = s->cap_rcpts ? s->cap_rcpts * 2 : 16;
			s->rcpts = mem_resize(s->rcpts, s->cap_rcpts * sizeof(*s->rcpts));
		}
		s->rcpts[s->n_rcpts++] = list[i];
	}
	return true;
}

static bool
complete_envelope(struct submission *s)
{
	if (s->content)
		return true;
	s->content = true;
	return message_envelope(s->message, s->begin, s->rcpts, s->n_rcpts);
}

/* A message that was refused before its end. */
static void
end_refused(struct submission *s)
{
	struct message_no no;

	if (message_commit(&s->message, &no))
		log_panic("%s: a refused message was committed", PEER_NAME);
	send_no(s->ch, &no);
}

/* The peer has sent all of it. True when it was accepted and the peer may go on. */
static bool
finish(struct submission *s, uint64_t size)
{
	struct msg_drop_done done = {.accepted = true, .why = STR_EMPTY};
	struct message_no no = {.status = EX_DATAERR, .text = "the size does not agree"};

	if (size != s->size) {
		message_cancel(&s->message);
		send_no(s->ch, &no);
		return false;
	}
	done.id = arena_str(s->arena, message_id(s->message));
	(void)complete_envelope(s);
	if (message_commit(&s->message, &no))
		return send_done(s->ch, &done);
	send_no(s->ch, &no);
	return false;
}

/* One frame of the message. False: the message has ended; *OK tells whether well. */
static bool
take_frame(struct submission *s, bool *ok)
{
	struct ipc_message in;

	*ok = false;
	if (ipc_recv(s->ch, s->arena, expected_more, true, &in) != IPC_OK)
		return false;
	if (in.schema == &msg_drop_commit) {
		*ok = finish(s, ((const struct msg_drop_commit *)in.body)->size);
		return false;
	}
	if (in.schema == &msg_submit_rcpts) {
		if (add_rcpts(s, in.body))
			return true;
		log_warning(
		    "%s: recipients behind the content, or too many, or too many in all sessions",
		    PEER_NAME);
		return false;
	}
	s->size += in.content.len;
	if (complete_envelope(s) && message_content(s->message, in.content))
		return true;
	end_refused(s);
	return false;
}

/* Takes one message. True when another may follow. */
static bool
take_message(struct submission *s, uid_t uid)
{
	struct ipc_message first;
	struct message_no no = {.status = EX_TEMPFAIL, .text = "pickup is about to end"};
	bool ok = false;

	if (ipc_recv(s->ch, s->arena, expected_first, false, &first) != IPC_OK)
		return false;
	s->begin = first.body;
	if (!service_leaving())
		s->message = message_begin(uid, clock_wall_us(), fiber_after(QMGR_WAIT_MS), &no);
	if (s->message == NULL) {
		send_no(s->ch, &no);
		return false;
	}
	const struct msg_submit_id go = {.id = message_id(s->message)};
	if (ipc_send(s->ch, &msg_submit_id, &go) == IPC_OK && ipc_flush(s->ch) == IPC_OK)
		while (take_frame(s, &ok))
			continue;
	message_cancel(&s->message);
	return ok;
}

void
session_run(struct service_client *client)
{
	struct submission s = {.arena = arena_new(0)};
	bool more = true;

	stream_timeout(client->stream, IDLE_MS);
	s.ch = ipc_channel_new(client->stream, "pickup", PEER_NAME);
	client->stream = NULL;
	while (more) {
		more = take_message(&s, client->uid);
		count_held(&s, 0);
		free(s.rcpts);
		s.rcpts = NULL;
		s.n_rcpts = s.cap_rcpts = 0;
		s.content = false;
		s.text = 0;
		s.size = 0;
		arena_reset(s.arena);
	}
	arena_free(&s.arena);
	ipc_channel_free(&s.ch);
}
