/*
 * slots - the slots of the spool as qmgr uses them: free list, due times, batch sync
 *
 * States and invariants: doc/queue.md. A struct slot exists for every slot file. Functions that wait
 * say so.
 */
#ifndef POSTKEEP_QMGR_SLOTS_H
#define POSTKEEP_QMGR_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/list.h"
#include "lib/fiber/fiber.h"
#include "lib/queue/spool.h"

struct destination;
struct message;

enum slot_use {
	SLOT_USE_FREE,    /* in the free list, or about to be */
	SLOT_USE_FILLING, /* a receiver has it */
	SLOT_USE_WAITING, /* a message that is not in memory: queued, deferred or on hold */
	SLOT_USE_READING, /* … that is being read by somebody, who alone may change it: slots_settled() */
	SLOT_USE_ACTIVE, /* a message in memory; see .message */
	SLOT_USE_PUT_OFF, /* nobody's: its file could not be read, moved or removed; tried again at .next */
};

/* dead.c's: a place in the list of a destination that a deferred message waits for. */
struct parked {
	struct list_link link;
	struct slot *slot;
	struct destination *at; /* NULL: it waits for none */
	struct parked *next;    /* it waits for this one as well */
};

struct slot {
	struct list_link link;  /* free list */
	struct list_link dirty; /* marks written since the last sync */
	struct message *message;
	struct parked parked;
	int64_t
	    attend; /* of one that is parked: when it is to be looked at all the same, wall seconds */
	int64_t id_us; /* the time part of the ID of the message it holds */
	int64_t
	    next; /* WAITING: when it is due, wall seconds; FREE: since when, PUT_OFF: until, monotonic ms */
	uint64_t content; /* bytes of the message */
	size_t heap_at;   /* place in the heap of due times, from 1; 0 = not in it */
	uint32_t number;
	uint32_t
	    site; /* flush.c's: a hash of the domain all its waiting recipients have, or 0, 1 */
	int fd;   /* -1 = closed */
	unsigned users;        /* jobs and readers that need fd open and the slot unchanged */
	enum slot_state state; /* as the mark says */
	enum slot_use use;
	bool is_dirty;
	bool flushed;    /* somebody wants it tried now, whatever stands against it */
	bool probe;      /* it is read back to find out whether its destination lives */
	bool owes_sync;  /* FILLING, and marks of the former generation are not synced yet */
	bool grown;      /* larger than queue_slot_size */
	bool leaving;    /* a write or sync has failed: its file is removed as soon as it is free */
	uint8_t put_off; /* how often it was PUT_OFF */
};

/* Opens the spool (lock included) and reads all slots. False with WHY. Waits. */
bool slots_open(struct buf *why);
/* Starts the fibers that make, sync and trim slots. */
void slots_start(void);
struct spool *slots_spool(void);

/*
 * A free slot with its descriptor open, marked FILLING; waits for new ones to be made. RESERVED: may
 * take the last ones (notices). NULL when none could be had by DEADLINE; *FULL tells that the file
 * system has no room.
 */
struct slot *slots_take(bool reserved, fiber_deadline deadline, bool *full);
/* A new, unused ID for SLOT. */
void slots_new_id(struct slot *slot, char id[QUEUE_ID_SIZE]);
void slots_id(const struct slot *slot, char id[QUEUE_ID_SIZE]);
/* The slot holding ID, or NULL. */
struct slot *slots_find(struct str id);
/* For walking over all: the slot with the smallest number >= *AT, and *AT is set behind it; NULL at the end. */
struct slot *slots_next(uint32_t *at);

/* The message in SLOT is on stable storage: it counts. */
void slots_arrived(struct slot *slot);
/* It does not become active now: it is due at once, or on HOLD. The caller's use of the descriptor ends. */
void slots_put_new(struct slot *slot, uint64_t content, bool hold);
/*
 * A WAITING slot is its caller's alone from here until the second call, which puts it back into the order
 * of due times (if its state says so). In use meanwhile: slots_use().
 */
void slots_begin_reading(struct slot *slot);
void slots_end_reading(struct slot *slot);
/*
 * Waits while somebody reads SLOT. The slot again, or NULL when its message has gone meanwhile, or the
 * caller was canceled.
 */
struct slot *slots_settled(struct slot *slot);

/* The message is done (its F mark is written), or never was: SLOT is free again. */
void slots_release(struct slot *slot);
/* A write or sync failed: the slot is never used again. ID names what stood there, for the log. */
void slots_discard(struct slot *slot);
/* Damaged: moved to corrupt/, or put off when that fails (false). The caller gives its use back. Waits. */
bool slots_set_aside(struct slot *slot, const char *id, const char *what);

/* Opens the descriptor if it is closed, and keeps it open until slots_unuse(). False with errno. Waits. */
bool slots_use(struct slot *slot);
void slots_unuse(struct slot *slot);

/*
 * Writes the state mark now; durable within a second. A failure (false) is logged, costs a second
 * delivery, and the slot is not used again; errno says why.
 */
bool slots_mark(struct slot *slot, const char *id, const struct slot_mark *mark);
/* Marks were written: to be synced with the next batch. */
void slots_dirty(struct slot *slot);

/* Puts a WAITING slot into the order of due times, or moves it (hold: takes it out). */
void slots_schedule(struct slot *slot, int64_t next);
void slots_unschedule(struct slot *slot);
/* When the wall clock has been set back, all due times go back with it. */
void slots_follow_clock(void);
/*
 * Messages were found at the start, or an agent reports what it has delivered: for a second nothing that waits is tried
 * again, so that all of it can be told of; within the first half minute of the process.
 */
void slots_put_off_tries(void);
/* Until when nothing is tried. */
fiber_deadline slots_tries_put_off(void);
/* The slot that is due first, or NULL. */
struct slot *slots_due(void);
/* Waits until something is scheduled, slots_due_wake() is called, or DEADLINE. */
enum fiber_result slots_due_wait(fiber_deadline deadline);
void slots_due_wake(void);

/* Messages in the queue, whatever their state. */
size_t slots_messages(void);
/* Bytes free on the file system, looked up at most once a second; 0 when it could not be asked. Waits. */
uint64_t slots_room(void);

#endif
