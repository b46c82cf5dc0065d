/*
 * message - a message in memory: the active queue
 *
 * A message is active from its acceptance, or from when it is due, until every recipient has had its
 * turn ("a round"). Then it is done, or its slot waits for the next attempt and the memory is given
 * back. How many are active at once is bounded by qmgr_message_active_limit.
 */
#ifndef POSTKEEP_QMGR_MESSAGE_H
#define POSTKEEP_QMGR_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/ipc/messages.h"
#include "lib/queue/spool.h"
#include "qmgr/slots.h"

struct destination;

struct message {
	struct slot *slot;
	struct arena *arena;
	struct spool_message m; /* header, marks, envelope, reasons */
	bool whole;             /* all recipients are in .m.envelope; else see recipients.h */
	struct list slices;
	struct spool_cursor first_rcpt; /* the first recipient */
	struct spool_cursor cursor;     /* the next slice */
	struct fiber_waitq fewer;       /* recipients of slices have results */
	struct buf content;             /* all of it, or empty: then it is read from the slot */
	bool has_content;
	size_t pending;    /* recipients handed to the scheduler, without a result yet */
	size_t refs;       /* notices and readers at work: the round is over when 0 too */
	int64_t active_us; /* wall time when this round began */
	uint32_t
	    reason_uses[SLOT_REASONS + 1]; /* how many recipients refer to each of the slot's */
	struct slot_reason *more;          /* reasons for which the slot has no place */
	unsigned n_more, more_cap;
	struct late_report *reported; /* what was heard late; counts at the round's end */
	size_t n_reported, reported_cap;
	bool starting; /* recipients are still being handed out */
	bool notified; /* notices were tried in this round */
	bool expiring; /* its recipients were given up in this round, if it has expired */
	bool want_hold, want_delete, want_expire;
	bool left_out; /* an order has left out recipients that had not been handed over */
	uint32_t site; /* flush.c's: where recipients go that were to be done in this round */
	bool flushed;  /* somebody wants it tried now */
	bool probe;    /* read back to find out whether a dead destination lives */
	/* The destinations that could not be reached, if all deferred recipients are for them. */
	struct destination **blocked_by;
	unsigned n_blocked_by;
	uint16_t refused_by; /* a bit for each that was not even tried, since it was dead */
	bool
	    blocked_otherwise; /* deferred for another reason, too, or for more of them than are kept */
};

/* What an agent, or qmgr itself, says of one recipient. Text is copied where it must stay. */
struct outcome {
	enum delivery_status status;
	struct str dsn;
	struct str text;
	struct str relay;
	struct str diagnostic;
	struct str remote_mta;
	struct str tls;     /* as msg_result has it */
	int64_t sent_us;    /* wall time when it was handed to the agent; 0 = never */
	int64_t connect_us; /* durations */
	int64_t transmit_us;
	const char *logged_as;           /* "local", "error": the transport */
	struct destination *unreachable; /* deferred since this could not be reached; or NULL */
	bool untried;                    /* … as was known before */
	bool dsn_passed; /* sent, to a server that answers for success notices now */
	bool ordered;    /* by a table or defer_transports of the administrator's: no trouble */
	bool softened;   /* was "bounced" before soft_bounce made it "deferred" */
};

/* A recipient whose delivery was heard of late. */
struct late_report {
	uint32_t index;
	enum slot_rcpt_state state; /* what its mark becomes */
	struct str address;
	struct outcome sent;
};

/*
 * A freshly accepted message becomes active. Takes over ARENA and, when KEEP says so, the bytes of
 * CONTENT. M's text lives in ARENA. The slot is FILLING and open; its sync has returned.
 */
void message_accepted(struct slot *slot, struct arena *arena, const struct spool_message *m,
    struct buf *content, size_t content_at);

/* Reads a due slot back and makes it active. Waits. */
void message_activate(struct slot *slot);

/* The result of recipient INDEX: logs it, marks it, and ends the round with the last one. */
void message_result(struct message *msg, size_t index, const struct outcome *o);

/*
 * An agent whose channel was lost says that recipient INDEX was delivered: SENT, whose text is copied. It may be
 * on its way once more, so this takes effect when the round ends; in the slot it stands at once. Waits.
 */
void message_reported(struct message *msg, uint32_t index, const struct outcome *sent);
/* What was reported and has no better result takes effect. */
void message_settle_reports(struct message *msg);

/* The log's line of such a delivery. */
void message_log_late(const struct slot_header *h, struct str address, const struct outcome *sent);
/* What the mark of recipient R becomes by SENT, when the message has the envelope E. */
enum slot_rcpt_state message_sent_state(
    const struct slot_envelope *e, const struct slot_rcpt *r, const struct outcome *sent);

/* A reference keeps the round from ending. */
void message_ref(struct message *msg);
void message_unref(struct message *msg);

/* Up to N bytes of content from OFFSET, into DATA; -1 with errno. Waits when it is not in memory. */
ssize_t message_read(struct message *msg, uint64_t offset, void *data, size_t n);
/* All of the content when it is in memory, else an empty view. */
struct str message_content(const struct message *msg);

/* Raises the limit on descriptors to what the active messages need. Before confinement. */
void message_prepare(void);
/* May one more become active? Never while the process is leaving. */
bool message_room(void);
/* May a receiver go on at once? Not when more comes in than is done with, and no room is left. */
bool message_flow(void);
/* How many more recipients may be in memory, as qmgr_message_recipient_limit and _minimum say? */
size_t message_room_for_rcpts(void);
/* Are slots being read back? */
bool message_loading(void);

/* Administrator's orders on an active message: what can be done at once is; the rest when the round ends. */
void message_want_hold(struct message *msg);
void message_want_delete(struct message *msg);
void message_want_expire(struct message *msg);
/* It is not to be held any more; RENEWED: nor to be expired. */
void message_want_on(struct message *msg, bool renewed);

/* Is nothing more of it to be handed over: is it deleted, or to be held? */
bool message_stopped(const struct message *msg);
/* It is, and recipients are left that had not been handed over: when it is released meanwhile, they are due. */
void message_leave_out(struct message *msg);
/* COUNT recipients that were handed to the scheduler will get no result: message_stopped(). */
void message_drop(struct message *msg, size_t count);

/* --- round.c: what happens when the last result is in ---------------------------------------------- */
void round_over(struct message *msg);
/* Notes who is to blame for a deferral, O: what waits for dead destinations only is parked there. */
void round_blocked(struct message *msg, const struct outcome *o);
/* Gives MSG's memory back; its slot must have been released or scheduled. */
void message_free(struct message *msg);
/*
 * Stores O as a reason (or finds it there); returns its number, 0 when none could be kept. Numbers above
 * SLOT_REASONS are known in memory only: in the slot such a recipient has none.
 */
unsigned message_reason(struct message *msg, const struct outcome *o);
/* The reason of that number, or NULL for 0. */
const struct slot_reason *message_reason_at(const struct message *msg, unsigned n);
/* The mark of recipient R that has failed for good: is its sender to be told? NULL: not known which. */
enum slot_rcpt_state message_failed_state(const struct message *msg, const struct slot_rcpt *r);
/* The delimiters of its variable return paths, empty when it has none: then each recipient is one delivery. */
struct str message_verp(const struct message *msg);
/* The sender that recipient R sees; appends. */
void message_sender(const struct message *msg, const struct slot_rcpt *r, struct buf *out);
/* Is this a notice itself, whose sender is not to be told anything? */
bool message_is_notice(const struct message *msg);
void message_mark_rcpt(
    struct message *msg, size_t index, enum slot_rcpt_state state, unsigned reason);

#endif
