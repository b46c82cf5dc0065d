/*
 * worker - one channel of qmgr, served as the user whose mailbox it is for
 *
 * A reader fiber takes deliveries from the channel, a fiber per delivery puts the message away (the
 * file work is done in worker threads), a writer fiber sends results. When the channel is lost, what has
 * not reached its commit point is given up, and what has is reported another way.
 */
#ifndef POSTKEEP_LOCAL_WORKER_H
#define POSTKEEP_LOCAL_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/str.h"
#include "lib/fiber/fiber.h"
#include "lib/ipc/channel.h"
#include "lib/store/maildir.h"
#include "lib/store/mbox.h"
#include "local/mailbox.h"
#include "local/results.h"
#include "local/user.h"

struct worker {
	int control; /* to the parent */
	struct ipc_channel *channel;
	struct local_user user;
	struct mailbox mailbox;

	/* One of the two is there. */
	struct maildir *maildir;
	struct fiber_group maildir_group; /* deliveries that are done together */
	struct mbox *mbox;
	struct list mbox_queue; /* struct delivery: received, and not yet part of a batch */
	bool mbox_busy;         /* a fiber is working on batches */

	size_t open; /* deliveries begun and not ended */
	bool reading;
	bool told_to_end;           /* SIGTERM */
	bool all_heard;             /* qmgr has said so, and that it needs nothing more */
	atomic_bool given_up;       /* nobody waits for results any more: threads look at it, too */
	struct fiber_waitq changed; /* woken when any of these changes */
	struct results results;
	struct fiber *reader;
};

/* How many deliveries at once qmgr may send: agent_ready's window. */
size_t worker_window(const struct worker *w);

/*
 * On a fiber: serves W's channel, after its introduction, until it ends; then it is freed. User and
 * mailbox are set. Waits.
 */
void worker_serve(struct worker *w);

/*
 * All that the child of the parent does, as root at first; the return value is its exit status. FD is
 * the channel, its introduction still unread; CONTROL leads to the parent.
 */
int worker_run(int fd, int control, struct str recipient);

#endif
