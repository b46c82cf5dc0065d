/* slots_upkeep - what slots.c, recovery and the fibers in the background share. Private to slots*.c. */
#ifndef POSTKEEP_QMGR_SLOTS_UPKEEP_H
#define POSTKEEP_QMGR_SLOTS_UPKEEP_H

#include "qmgr/due.h"
#include "qmgr/slots.h"

struct slots_state {
	struct spool *spool;
	struct slot **by_number;
	size_t cap;   /* of by_number */
	uint32_t end; /* behind the largest number there is */
	size_t messages;
	int64_t last_us; /* of the ID given out last */
	int64_t
	    clock; /* what the wall clock was ahead of the monotonic one, ms; 0 = not known yet */
	struct list free; /* hot end first */
	size_t open_free; /* how many of them have their descriptor open */
	struct list dirty;
	struct due due;
	struct fiber_waitq free_wait, reserved_wait, dirty_wait, due_wait, upkeep_wait,
	    put_off_wait;
	fiber_deadline opened;    /* when recovery was over */
	fiber_deadline tries_off; /* see slots_put_off_tries() */
	size_t put_off;           /* how many slots are PUT_OFF */
	int making_failed;        /* errno of the last attempt to make slots; 0 = it worked */
	uint64_t room;            /* bytes free on the file system */
	int64_t room_at;          /* when that was asked, monotonic ms */
};

extern struct slots_state slots_state;

struct slot *slots_add(uint32_t number);
void slots_forget(struct slot *slot);
void slots_free_list_add(struct slot *slot);
void slots_free_list_remove(struct slot *slot);

/* The free list runs low, or there is something to trim. */
void slots_upkeep_wake(void);
/* The file of SLOT could not be read, moved or removed: tried again later, and then with longer pauses. */
void slots_upkeep_put_off(struct slot *slot);
/* SLOT is free and used by nobody: removes its file. */
void slots_upkeep_leave(struct slot *slot);

#endif
