/*
 * recipients - those of a long list, read from its slot piece by piece
 *
 * A message with a small envelope has all its recipients in memory (msg->whole). Of another one there are
 * marks for all, and slices of recipients: those that have been handed out and have no result yet.
 * doc/scheduling.md says how many.
 */
#ifndef POSTKEEP_QMGR_RECIPIENTS_H
#define POSTKEEP_QMGR_RECIPIENTS_H

#include "qmgr/message.h"

/*
 * Recipient INDEX, which has been handed out in this round and has no result yet, or is one of a whole
 * message.
 */
const struct slot_rcpt *recipients_get(const struct message *msg, size_t index);
/* Recipient INDEX has its result: it need not stay in memory. */
void recipients_done(struct message *msg, size_t index);

/*
 * The next ones that are to be done, in their order, at most MAX: SLICE is in memory until all of them
 * have results. Waits. False: there are none, or they could not be read (which has been logged).
 */
struct slice {
	struct list_link link;
	struct arena *arena;
	struct slot_rcpt *rcpts;
	uint32_t *indexes; /* ascending */
	size_t n, open;
};
bool recipients_next(struct message *msg, size_t max, struct slice **slice);
void recipients_free(struct message *msg);

/* Recipients of all messages in memory. */
size_t recipients_count(void);
/* N more, of a message that is read whole; recipients_free() takes them off again. */
void recipients_add(size_t n);

/*
 * All recipients of a message one after the other, whatever their state. Ready when zeroed but for .msg,
 * to which the caller holds a reference.
 */
struct recipients_reader {
	struct message *msg;
	struct arena *arena;
	struct slot_rcpt *rcpts; /* from .first on, .n of them */
	uint32_t first;
	size_t n;
	struct spool_cursor next;
	bool begun;
};
/*
 * Recipient INDEX, valid until the next call. Waits, unless the message is whole. Cheap as long as INDEX
 * does not fall. NULL when it cannot be read (logged).
 */
const struct slot_rcpt *recipients_read(struct recipients_reader *r, uint32_t index);
void recipients_reader_end(struct recipients_reader *r);

#endif
