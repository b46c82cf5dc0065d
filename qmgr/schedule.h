/*
 * schedule - which recipient goes where, when
 *
 * Recipients of active messages are routed and queued by transport and destination; each destination
 * has a channel to its agent, over which its deliveries go (agent.c). Destinations share nothing but
 * the channels of a transport, which they take in turns, so none can hold up another for long; in a
 * destination it is first come, first served.
 */
#ifndef POSTKEEP_QMGR_SCHEDULE_H
#define POSTKEEP_QMGR_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/list.h"
#include "lib/base/str.h"
#include "lib/conf/conf.h"
#include "lib/fiber/fiber.h"
#include "qmgr/message.h"

struct transport {
	char *name;
	struct hash *destinations;
	const struct conf *conf;  /* where .recipient_limit comes from */
	size_t recipient_limit;   /* recipients in one delivery */
	size_t agents;            /* destinations that have one */
	struct list waiting;      /* destinations that wait for one */
	struct fiber_waitq spare; /* a channel has been closed, or could be */
};

struct agent;

struct destination {
	struct transport *transport;
	char *key; /* user, next hop: what it is called in the hash */
	char *nexthop;
	struct list deliveries; /* struct delivery, waiting */
	struct agent *agent;    /* the channel's fibers, or NULL */
	struct list_link waiting;
};

/* Some recipients of one message, for one destination. */
struct delivery {
	struct list_link link;
	struct message *message;
	struct destination *destination;
	uint64_t attempt; /* names it between qmgr and agent */
	int64_t sent_us;  /* wall time when it was handed over */
	size_t bytes;     /* of the recipients' text: a request must fit into a frame */
	size_t open;      /* recipients without a result */
	size_t count, room;
	uint32_t rcpts[]; /* indexes */
};

/* Starts the fiber that activates what is due. */
void schedule_start(void);
/* There may be room for another active message, or something new is due. */
void schedule_wake(void);

/*
 * Routes every recipient of MSG that is to be done and queues it; msg->pending counts them. Lets others
 * run now and then when there are many.
 */
void schedule_message(struct message *msg);

/* D has no recipient left, or is given up: its memory goes. */
void delivery_free(struct delivery *d);
/* Every recipient of D still open gets this outcome; frees D. */
void delivery_fail(struct delivery *d, const struct outcome *o);

/* DEST has nothing to do and no channel: it is forgotten. */
void destination_idle(struct destination *dest);

/* All deferred messages are due now; or those of one ID; or those for one site. Count of them. Waits. */
size_t schedule_flush(struct str id, struct str site);

#endif
