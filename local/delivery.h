/*
 * delivery - one message on its way into one mailbox
 */
#ifndef POSTKEEP_LOCAL_DELIVERY_H
#define POSTKEEP_LOCAL_DELIVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/list.h"
#include "lib/ipc/messages.h"
#include "lib/mail/lines.h"
#include "lib/store/store.h"
#include "local/worker.h"

/* A recipient of the message: each gets a copy. */
struct target {
	const struct msg_deliver_rcpt *rcpt;
	struct buf head;           /* header lines for this copy */
	struct maildir_file *file; /* Maildir */
	bool loop;                 /* it has been here before: bounced */
	bool failed;               /* PROBLEM says why */
	struct store_problem problem;
};

struct delivery {
	struct list_link link; /* in the worker's mbox_queue */
	struct worker *worker;
	struct arena *arena;
	const struct msg_deliver *m;
	struct target *targets;
	size_t n;
	int64_t begun_us;

	struct lines lines;
	struct buf body; /* LF line ends; what has not been spooled */
	bool looked;     /* the header has been searched for loops */
	/* A large message: what has come lies in a file already. */
	int spool_fd; /* -1: all is in BODY */
	off_t spool_at;
	uint64_t spooled;
	bool own_spool;              /* SPOOL_FD is no mailbox file: to be closed */
	struct target *spool_target; /* Maildir: whose file it is */
	bool failed;                 /* PROBLEM is that of all targets */
	struct store_problem problem;
};

struct delivery *delivery_new(struct worker *w);
void delivery_free(struct delivery *d);

/* receive.c: the next delivery with its content; NULL when the channel is lost. Waits. */
struct delivery *delivery_receive(struct worker *w);
/* Sends the results and ends the delivery. */
void delivery_end(struct delivery *d);

/* The message for target T. */
void delivery_message(
    const struct delivery *d, const struct target *t, struct store_message *message);
/* Is T to get a copy? */
bool target_open(const struct delivery *d, const struct target *t);

/*
 * maildir_delivery.c, mbox_delivery.c: puts what BODY holds into a file and empties it (for large
 * messages, as they come; on failure the delivery is marked failed); and the delivery proper, with its
 * end. On a fiber; wait.
 */
void maildir_start(struct worker *w); /* before the first of them */
void maildir_spool(struct delivery *d);
void maildir_deliver(struct delivery *d);
void mbox_spool(struct delivery *d);
void mbox_deliver(struct delivery *d);

#endif
