/*
 * destination - what waits for whom: transports, destinations, deliveries
 *
 * A transport is a service of master.cf; a destination is what its deliveries are grouped by (next hop;
 * the user for local; the recipient when the transport takes one recipient at a time). In a destination
 * messages take turns, one delivery each, so that a long list is no obstacle for what comes after it.
 * Nothing here waits. doc/scheduling.md has the states and the bounds.
 */
#ifndef POSTKEEP_QMGR_DESTINATION_H
#define POSTKEEP_QMGR_DESTINATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/list.h"
#include "lib/base/str.h"
#include "lib/conf/conf.h"
#include "lib/fiber/fiber.h"
#include "lib/route/route.h"
#include "qmgr/feedback.h"
#include "qmgr/message.h"

enum transport_kind {
	TRANSPORT_UNKNOWN, /* no agent has answered yet: one channel per destination */
	TRANSPORT_SINGLE, /* one delivery at a time on a channel: as many channels as feedback says */
	TRANSPORT_MULTIPLE, /* several on one channel, as its window says: one per destination */
};

struct transport {
	char *name;
	struct hash *destinations;
	enum transport_kind kind;
	bool by_user; /* local: a worker has become one user, so there is one channel for each */

	/* Settings, from .conf. */
	const struct conf *conf;
	struct feedback_rules rules;
	size_t recipient_limit;           /* recipients in one delivery */
	bool by_recipient;                /* … which is one: each recipient is a destination */
	size_t channel_limit;             /* channels at once: maxproc */
	bool limit_is_default;            /* nobody wrote that number into master.cf */
	int64_t destination_delay, delay; /* ms between two deliveries: to one, to any */

	size_t channels;     /* that there are, or are being made */
	size_t connecting;   /* of these: see agent.c */
	struct list starved; /* destinations without a channel that need one */
	struct list hungry;  /* those that have some, and could use more */
	struct list resting; /* those whose pause after a delivery is not over, in that order */
	fiber_deadline not_before; /* the pause of the transport itself */
	struct fiber_waitq spare;  /* a channel has been closed, or could be */

	/* outage.c's. */
	int64_t lost_at; /* the first channel lost since the last result, fiber_now(); or 0 */
	char *outage;    /* why the agent cannot be had; NULL: it can */
	fiber_deadline outage_end; /* it is not asked before */
};

struct destination {
	struct transport *transport;
	char *key;     /* what it is called in the hash */
	char *open_as; /* what the agent is told of it: the user, the next hop */
	char *nexthop;
	struct list jobs;     /* struct job, those with something waiting, the next one first */
	size_t waiting;       /* deliveries in jobs */
	size_t under_way;     /* deliveries sent and without all their results */
	struct list channels; /* struct agent */
	struct feedback feedback;
	struct list
	    *queue; /* of the transport, in which it is: starved, hungry, resting; or NULL */
	struct list_link link; /* there */
	fiber_deadline not_before;
	size_t refs; /* deliveries, and messages in memory that it has deferred */

	/* dead.c's. */
	struct list_link dead; /* in the list of those that are */
	char *dsn, *why;       /* the reason */
	struct list
	    parked; /* struct parked: messages that wait for it; the first is the next probe */
	int64_t expected; /* id_us of the message that is being read back as a probe; or 0 */
	bool probing;     /* the probe is under way */
};

/* The deliveries of one message to one destination. */
struct job {
	struct list_link link;
	struct message *message;
	struct destination *destination;
	struct list deliveries;
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
	bool unreachable; /* a result said so of the destination */
	size_t count, room;
	uint32_t rcpts[]; /* indexes */
};

/*
 * What master.cf says of the number of channels. Reads the file, so it may block: before confinement, and
 * in a worker thread at a reload; TAKE puts what was read in force.
 */
struct transport_channels;
struct transport_channels *transport_channels_read(void);
void transport_channels_take(struct transport_channels *channels);

/* The transport of that name, with the settings of the configuration in force. */
struct transport *transport_find(struct str name);
/* Walks all of them; start with *CURSOR = 0. NULL at the end. */
struct transport *transport_next(size_t *cursor);

/* Where ROUTE leads for RECIPIENT (an external address). */
struct destination *destination_find(
    struct transport *t, const struct route *route, struct str recipient);
/* Is forgotten when there is nothing to keep it for. */
void destination_unused(struct destination *dest);
/* Puts DEST at the end of that list of its transport, and takes it off the one it was in. NULL: none. */
void destination_queue(struct destination *dest, struct list *queue);

/* Recipient INDEX of MSG, whose text has BYTES, joins a delivery for DEST. */
void destination_add(struct destination *dest, struct message *msg, size_t index, size_t bytes);
/* The delivery whose turn it is, no more in a list; NULL when none waits. */
struct delivery *destination_take(struct destination *dest);

/* D has no recipient left, or is given up: its memory goes. */
void delivery_free(struct delivery *d);
/* Every recipient of D still open gets this outcome, or none when its message is stopped (NULL); frees D. */
void delivery_fail(struct delivery *d, const struct outcome *o);
/* Everything that waits for DEST gets it. */
void destination_fail(struct destination *dest, const struct outcome *o);

#endif
