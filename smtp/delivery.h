/*
 * delivery - one message for some recipients of one next hop
 *
 * Each recipient is open until it was sent or bounced. A failure that may pass is noted and the recipient
 * stays open, for the next server; what is open when there is no server left is deferred with the last
 * failure. doc/smtp.md has the table.
 */
#ifndef POSTKEEP_SMTP_CLIENT_DELIVERY_H
#define POSTKEEP_SMTP_CLIENT_DELIVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/ipc/channel.h"
#include "lib/ipc/messages.h"
#include "smtp/cache.h"
#include "smtp/connection.h"
#include "smtp/content.h"
#include "smtp/failure.h"
#include "smtp/server.h"
#include "smtp/settings.h"

struct client;

/* How far a delivery is, for whoever may have to break it off. */
enum delivery_step {
	DELIVERY_SEARCHES, /* for a server: names, connections, greetings, TLS, logins */
	DELIVERY_TALKS,
	DELIVERY_ENDS, /* an end of data waits for its answer: broken off now, the message comes twice */
};

struct target {
	const struct msg_deliver_rcpt *rcpt;
	bool open;
	bool answered; /* RCPT was, in the present transaction */
	bool accepted; /* … with a yes */
	bool told;     /* the queue manager has its result */
	enum delivery_status status;
	struct failure failure; /* the last one; of a success the words */
	bool dsn_passed;
	uint64_t conn_use;
	struct str tls; /* for the log, of the server that decided last */
};

struct delivery {
	struct client *client;
	const struct msg_deliver *m;
	struct arena *arena; /* everything here; reset with the delivery */
	struct content content;
	struct target *targets;
	size_t n, open;
	enum delivery_step *step; /* kept up to date for somebody else; may be NULL */
	bool reached;             /* a server has answered MAIL: the destination lives */
	bool told_connected;
	int64_t begun_us, talked_us; /* wall clock; when the last transaction began */
	int sessions, addresses;     /* tried so far */
	bool more_hops;              /* after the present one */
	struct tried *tried;         /* servers, by old connections too */
	struct str tls; /* how the present server uses TLS, for the log; may be empty */
};

/* A server that has said what it thinks of the message. */
struct tried {
	struct tried *before;
	struct str relay;
};

/* The message M, whose content follows on CHANNEL. A is the delivery's from now on. Waits. */
void delivery_begin(struct delivery *d, struct client *client, struct ipc_channel *channel,
    const struct msg_deliver *m, struct arena *a);
/* Tries next hops and their servers until no recipient is open or none is left. attempt.c. Waits. */
void delivery_run(struct delivery *d);
/*
 * A connection to a server, new or kept, is ready for a transaction: the queue manager is told, if it has asked: where that
 * fails, content.lost.
 */
void delivery_connected(struct delivery *d);
void delivery_step(struct delivery *d, enum delivery_step step);
/* Sends the results of all that are not open. False: the channel is lost, and content.lost from now on. */
bool delivery_tell(struct delivery *d);
/* Its channel is lost: what was sent is to be told on another way (late.h). */
void delivery_report_late(const struct delivery *d);
/* Sends the results that are left; drops what is left of the content. False: the channel is lost. */
bool delivery_end(struct delivery *d);

/* Each open recipient (ACCEPTED_ONLY: that was accepted) has failed: is bounced, or stays open. */
void delivery_fail(struct delivery *d, const struct failure *f, bool accepted_only);
void target_fail(struct delivery *d, struct target *t, const struct failure *f);
/* The server C has taken the message for T, with its last reply. */
void target_sent(struct delivery *d, struct target *t, const struct connection *c);

/* transaction.c: one transaction on C. */
enum transaction_result {
	TRANSACTION_DONE,    /* each open recipient has its outcome */
	TRANSACTION_DEAD,    /* the connection was dead before MAIL was answered */
	TRANSACTION_ABORTED, /* the channel is lost: nobody waits for a result any more */
};
enum transaction_result transaction_run(struct delivery *d, struct connection *c);

#endif
