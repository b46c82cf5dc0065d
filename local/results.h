/*
 * results - what became of deliveries, on its way to qmgr
 *
 * Results that are ready at the same time leave in one write. What has been delivered is remembered for
 * a while after it was sent: when the channel is lost, nobody knows how far qmgr has read, and it is
 * told once more on another way (see late.h).
 */
#ifndef POSTKEEP_LOCAL_RESULTS_H
#define POSTKEEP_LOCAL_RESULTS_H

#include <stdbool.h>

#include "lib/base/list.h"
#include "lib/fiber/fiber.h"
#include "lib/ipc/channel.h"
#include "lib/ipc/messages.h"

struct result {
	struct list_link link;
	struct msg_result m; /* its texts are in TEXT */
	struct str ticket;   /* there, too */
	int64_t sent_at;     /* fiber_now() */
	struct buf text;
};

struct results {
	struct ipc_channel *channel;
	struct list ready; /* struct result: not sent */
	struct list told;  /* sent, status sent; the oldest first */
	bool lost;         /* the channel takes no more */
	bool stopping, writing;
	struct fiber_waitq wake;     /* the writer waits here */
	struct fiber_waitq *changed; /* woken when READY becomes empty, or LOST true */
};

/* Starts the fiber that writes to CHANNEL. */
void results_start(struct results *r, struct ipc_channel *channel, struct fiber_waitq *changed);
/* Takes a copy of M, and of the TICKET of its recipient. Does not wait. */
void results_add(struct results *r, const struct msg_result *m, struct str ticket);
/* Nothing ready that could still be sent? */
bool results_idle(const struct results *r);
/* Ends the writer; waits for that. The channel is not used any more after it. */
void results_stop(struct results *r);
/* Moves to OUT what was delivered and may be unknown to qmgr: not sent, or sent short ago. */
void results_unsure(struct results *r, struct list *out);

void result_free(struct result *result);

#endif
