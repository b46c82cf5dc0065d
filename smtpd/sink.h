/*
 * sink - where a message goes
 *
 * The server submits to qmgr; stand-alone (sendmail -bs) it goes to postdrop like any other message of
 * a local user; a test keeps it in memory. All of them may wait.
 */
#ifndef POSTKEEP_SMTPD_SINK_H
#define POSTKEEP_SMTPD_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/queue/submit.h"

struct sink_message; /* each sink's own */

struct sink {
	/* The content goes through lib/intake first; false: whoever is behind the sink completes it. */
	bool completes;
	/* NULL with *NO filled in. SIZE: announced by the client, 0 = unknown. */
	struct sink_message *(*begin)(
	    void *context, uint64_t size, fiber_deadline deadline, struct submit_refusal *no);
	/* The queue ID; empty as long as there is none. */
	struct str (*id)(const struct sink_message *m);
	/* False: it failed; commit tells why. */
	bool (*envelope)(struct sink_message *m, const struct msg_submit_envelope *envelope,
	    const struct msg_rcpt *rcpts, size_t n);
	bool (*content)(struct sink_message *m, struct str chunk);
	/*
	 * True: on stable storage; the queue ID, if it is known, is appended to ID. Frees M either way and sets it to NULL.
	 */
	bool (*commit)(struct sink_message **m, struct buf *id, struct submit_refusal *no);
	/* Nothing stays behind. Frees M. */
	void (*cancel)(struct sink_message **m);
	/* ETRN: see submit_flush(). NULL: not to be had. */
	bool (*flush)(void *context, struct str site, fiber_deadline deadline, bool *allowed);
};

/* Submits to qmgr; the context is a struct submit_pool. */
extern const struct sink sink_queue;
/* Runs postdrop for each message; the context is the struct server. */
extern const struct sink sink_postdrop;

#endif
