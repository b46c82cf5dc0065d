/*
 * postdrop_pickup - a message to the running suite
 *
 * Over public/pickup: announce the message, wait until pickup wants it, send it, wait for the answer.
 * Until drop_commit has been sent nothing is submitted, so the caller may take another way; after that
 * a lost answer means that nobody knows. See postdrop.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/arena.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/conf/conf.h"
#include "lib/ipc/blocking.h"
#include "sendmail/postdrop.h"

#define SOCKET_PATH "public/pickup"
#define RCPT_BYTES 32768 /* of recipients in a frame, well below its limit */
#define ANSWER_MS 300000 /* the longest wait: a slow disk, a large message */

struct pickup_link {
	struct ipc_blocking *ipc;
	struct arena *arena;
	bool answered; /* the answer was read */
	struct msg_drop_done done;
};

static const struct ipc_schema *const first_answers[] = {&msg_submit_id, &msg_drop_done, NULL};

void
pickup_close(struct pickup_link **link)
{
	if (*link == NULL)
		return;
	ipc_blocking_free(&(*link)->ipc);
	arena_free(&(*link)->arena);
	free(*link);
	*link = NULL;
}

/* What a refusal means: a passing one is no reason not to store the message. */
static enum pickup_answer
refused(const struct msg_drop_done *done, struct verdict *v)
{
	int status = done->exit_status ? (int)done->exit_status : EX_TEMPFAIL;

	verdict_set(v, status, "%.*s", STR_ARG(done->why));
	return PICKUP_REFUSED;
}

static bool
send_rcpts(struct pickup_link *link, const struct msg_rcpt *rcpts, size_t n)
{
	struct msg_rcpt list[MSG_RCPT_PER_FRAME];
	struct msg_submit_rcpts message = {.rcpts.items = list};
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++) {
		list[message.rcpts.count++] = rcpts[i];
		bytes += rcpts[i].address.len + rcpts[i].orcpt.len;
		if (i + 1 < n && message.rcpts.count < MSG_RCPT_PER_FRAME && bytes < RCPT_BYTES)
			continue;
		if (ipc_blocking_send(link->ipc, &msg_submit_rcpts, &message) != IPC_OK)
			return false;
		message.rcpts.count = 0;
		bytes = 0;
	}
	return true;
}

static struct ipc_blocking *
connect_pickup(void)
{
	int64_t patience_ms = conf_time(conf_get(), P_trigger_timeout) * 1000;
	struct ipc_blocking *ipc;

	if (patience_ms <= 0 || patience_ms > ANSWER_MS)
		patience_ms = ANSWER_MS;
	ipc = ipc_blocking_connect(SOCKET_PATH, "postdrop", (int)patience_ms);
	if (ipc == NULL)
		log_debug("connect to " SOCKET_PATH ": %s", strerror(errno));
	return ipc;
}

enum pickup_answer
pickup_open(struct pickup_link **out, const struct msg_drop_begin *envelope,
    const struct msg_rcpt *rcpts, size_t n_rcpts, struct verdict *v)
{
	struct ipc_blocking *ipc = connect_pickup();
	enum pickup_answer answer = PICKUP_ABSENT;
	struct ipc_message first;
	struct pickup_link *link;

	*out = NULL;
	if (ipc == NULL)
		return PICKUP_ABSENT;
	link = MEM_NEW(struct pickup_link);
	link->ipc = ipc;
	link->arena = arena_new(0);
	if (ipc_blocking_send(ipc, &msg_drop_begin, envelope) == IPC_OK &&
	    ipc_blocking_flush(ipc) == IPC_OK &&
	    ipc_blocking_recv(ipc, link->arena, first_answers, false, &first) == IPC_OK) {
		const struct msg_drop_done *done = first.body;

		if (first.schema == &msg_submit_id)
			answer = PICKUP_OK;
		else if (done->exit_status != EX_TEMPFAIL)
			answer = refused(done, v);
	}
	if (answer == PICKUP_OK && !send_rcpts(link, rcpts, n_rcpts))
		answer = PICKUP_ABSENT;
	if (answer == PICKUP_OK) {
		ipc_blocking_timeout(ipc, ANSWER_MS);
		*out = link;
	} else {
		if (answer == PICKUP_ABSENT)
			log_debug("pickup: %s", ipc_blocking_why(ipc));
		pickup_close(&link);
	}
	return answer;
}

bool
pickup_content(struct pickup_link *link, struct str content)
{
	return ipc_blocking_content(link->ipc, content) == IPC_OK &&
	    ipc_blocking_flush(link->ipc) == IPC_OK && !ipc_blocking_readable(link->ipc);
}

/* Reads drop_done; false when none came. */
static bool
read_answer(struct pickup_link *link)
{
	return ipc_blocking_recv_one(link->ipc, link->arena, &msg_drop_done, &link->done) == IPC_OK;
}

enum pickup_answer
pickup_gone(struct pickup_link *link, struct verdict *v)
{
	if (!read_answer(link) || link->done.accepted || link->done.exit_status == EX_TEMPFAIL)
		return PICKUP_ABSENT;
	return refused(&link->done, v);
}

enum pickup_answer
pickup_commit(struct pickup_link *link, uint64_t size, struct verdict *v)
{
	const struct msg_drop_commit commit = {.size = size};

	if (ipc_blocking_send(link->ipc, &msg_drop_commit, &commit) != IPC_OK ||
	    ipc_blocking_flush(link->ipc) != IPC_OK || !read_answer(link)) {
		verdict_set(v, EX_TEMPFAIL,
		    "no answer from pickup (%s): the message may or may not be in the queue",
		    ipc_blocking_why(link->ipc));
		return PICKUP_REFUSED;
	}
	if (!link->done.accepted)
		return refused(&link->done, v);
	verdict_set(v, EX_OK, "queued as %.*s", STR_ARG(link->done.id));
	return PICKUP_OK;
}
