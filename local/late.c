/*
 * late - see late.h
 *
 * The worker is the mailbox's user by now and may not connect to the socket itself: nothing could tell
 * it from any program of that user. Its parent connects and hands the descriptor over.
 */
#include "local/late.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base/arena.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/ipc/channel.h"
#include "local/parent.h"
#include "local/results.h"

#define PATIENCE_MS 60000 /* in all */
#define LAST_MS 1000      /* in all, when the suite is being stopped */
#define TRY_MS 15000 /* for one connection: master's socket exists while qmgr is still starting */
#define PAUSE_FIRST_MS 100
#define PAUSE_MAX_MS 4000

struct late {
	int control;
	struct fiber_fd *wait; /* for CONTROL */
	struct list *results;
	fiber_deadline deadline;
};

/* The answer's byte, 0 when the parent is gone; *FD is what came with it, or -1. */
static char
take_answer(int control, int *fd)
{
	char word = 0;
	struct iovec part = {&word, 1};
	union {
		char data[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} space;
	struct msghdr message = {.msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = space.data,
	    .msg_controllen = sizeof(space.data)};
	const struct cmsghdr *c;

	*fd = -1;
	if (recvmsg(control, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) != 1)
		return 0;
	c = CMSG_FIRSTHDR(&message);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(c), sizeof(int));
	return word;
}

/* A connection to qmgr; -1: none now. A deadline that has passed means that there will be none. */
static int
ask_parent(struct late *l)
{
	const char ask = PARENT_ASK_REPORT;
	fiber_deadline last;
	char word = 0;
	int fd = -1;

	if (send(l->control, &ask, 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1 &&
	    fiber_fd_wait(l->wait, FIBER_READ, l->deadline) == FIBER_OK)
		word = take_answer(l->control, &fd);
	last = fiber_after(LAST_MS);
	if (word == 0 || (word == PARENT_ANSWER_LAST && fd < 0))
		l->deadline = 0;
	else if (word == PARENT_ANSWER_LAST && last < l->deadline)
		l->deadline = last;
	return fd;
}

static bool
send_report(struct ipc_channel *channel, const struct result *result)
{
	const struct msg_report r = {
	    .id = result->m.id,
	    .index = result->m.index,
	    .ticket = result->ticket,
	    .dsn = result->m.dsn,
	    .text = result->m.text,
	    .relay = result->m.relay,
	};

	return ipc_send(channel, &msg_report, &r) == IPC_OK;
}

/* Sends all, hears that each has arrived. True: all done. */
static bool
tell(struct late *l, struct ipc_channel *channel)
{
	struct msg_report_ok ok;
	struct arena *arena = arena_new(0);
	bool fine = true;

	for (struct list_link *i = list_first(l->results); i && fine; i = list_next(l->results, i))
		fine = send_report(channel, LIST_ITEM(i, struct result, link));
	fine = fine && ipc_flush(channel) == IPC_OK;
	while (fine && !list_empty(l->results)) {
		fine = ipc_recv_one(channel, arena, &msg_report_ok, &ok) == IPC_OK;
		if (fine)
			result_free(LIST_ITEM(list_shift(l->results), struct result, link));
		arena_reset(arena);
	}
	arena_free(&arena);
	return fine;
}

static void
try_once(struct late *l)
{
	int fd = ask_parent(l);
	fiber_deadline until = fiber_after(TRY_MS);
	struct ipc_channel *channel;

	if (fd < 0)
		return;
	channel = ipc_channel_new(stream_fd(fd), "local", "qmgr-report");
	stream_deadline(ipc_stream(channel), until < l->deadline ? until : l->deadline);
	(void)tell(l, channel);
	ipc_channel_free(&channel);
}

void
late_report(int control, struct list *results)
{
	struct late l = {.control = control, .results = results};
	int64_t pause = PAUSE_FIRST_MS;
	struct list_link *i;

	l.wait = fiber_fd_new(control);
	l.deadline = fiber_after(PATIENCE_MS);
	while (!list_empty(results)) {
		try_once(&l);
		if (list_empty(results) || fiber_now() + pause >= l.deadline)
			break;
		(void)fiber_sleep(pause);
		pause = pause * 2 < PAUSE_MAX_MS ? pause * 2 : PAUSE_MAX_MS;
	}
	while ((i = list_shift(results))) {
		struct result *result = LIST_ITEM(i, struct result, link);

		/* What was written to a channel that qmgr has closed in good order, it has read. */
		if (result->sent_at == 0)
			log_warning("%.*s: delivered, but the queue manager could not be told: "
				    "the message may be delivered once more",
			    STR_ARG(result->m.id));
		result_free(result);
	}
	fiber_fd_free(&l.wait);
}
