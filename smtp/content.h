/*
 * content - a message's content on its way from the queue manager
 *
 * A small message is read whole, at once. Of a large one each piece is shown straight from the channel; where another
 * server wants it after that, the queue manager is asked for all of it once more.
 */
#ifndef POSTKEEP_SMTP_CLIENT_CONTENT_H
#define POSTKEEP_SMTP_CLIENT_CONTENT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/ipc/channel.h"

#define CONTENT_KEPT ((uint64_t)65536)

struct content {
	struct ipc_channel *channel;
	struct arena *arena; /* for the channel; nothing is put there */
	uint64_t attempt;    /* the delivery's */
	uint64_t size;
	uint64_t left;   /* still in the channel */
	struct buf kept; /* all, if it is small */
	bool whole;      /* KEPT is all of it */
	bool shown;      /* of KEPT, since content_rewind() */
	bool again;      /* is to be asked for once more before the next piece */
	bool lost; /* the channel is gone, or nonsense came: nobody waits for a result any more */
};

/* SIZE bytes follow on CHANNEL, of the delivery ATTEMPT. Waits for a small message. */
void content_begin(struct content *c, struct ipc_channel *channel, struct arena *arena,
    uint64_t attempt, uint64_t size);
/* The next piece is the first one (again). False: C->lost. */
bool content_rewind(struct content *c);
/* The next piece, a view until the next call. False: the end, or C->lost. Waits. */
bool content_next(struct content *c, struct str *piece);
/* Reads what is left and drops it. False: C->lost. Waits. */
bool content_skip(struct content *c);
void content_free(struct content *c);

#endif
