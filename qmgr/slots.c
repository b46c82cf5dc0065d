/*
 * slots - free list, IDs and due times: see slots.h
 *
 * The free list is used from its hot end: the slot freed last is filled next, so that a busy queue
 * lives in a few slots whose blocks are known to the disk and whose marks the next sync covers anyway.
 */
#include "qmgr/slots.h"
#include "qmgr/dead.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/conf/conf.h"
#include "qmgr/due.h"
#include "qmgr/slots_upkeep.h"

/* Idle slots at the hot end of the free list keep their descriptors; the rest is opened at need. */
#define OPEN_FREE_MAX 512
#define REPORTS_MS                                                                                 \
	30000 /* after a start, in which agents may hold up what waits with their reports */
#define REPORTS_QUIET_MS 1000 /* from the last of them, or from the start */
#define CLOCK_SLACK_MS 10000  /* a clock that differs by less was not set, it drifts */
#define SETTLE_LOOK_MS 5      /* a slot is read in less, unless it is large or the disk is busy */

struct slots_state slots_state;

struct spool *
slots_spool(void)
{
	return slots_state.spool;
}

struct slot *
slots_add(uint32_t number)
{
	struct slots_state *s = &slots_state;
	struct slot *slot = MEM_NEW(struct slot);

	while (number >= s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 256;

		s->by_number = mem_resize(s->by_number, cap * sizeof(*s->by_number));
		memset(s->by_number + s->cap, 0, (cap - s->cap) * sizeof(*s->by_number));
		s->cap = cap;
	}
	slot->number = number;
	slot->fd = -1;
	slot->state = SLOT_FREE;
	s->by_number[number] = slot;
	if (number >= s->end)
		s->end = number + 1;
	return slot;
}

static void
not_dirty(struct slot *slot)
{
	if (slot->is_dirty)
		list_remove(&slots_state.dirty, &slot->dirty);
	slot->is_dirty = slot->owes_sync = false;
}

/* The slot's file is gone: so is the slot, when its last user has left. */
void
slots_forget(struct slot *slot)
{
	not_dirty(slot);
	slots_state.by_number[slot->number] = NULL;
	io_close(&slot->fd);
	free(slot);
}

void
slots_new_id(struct slot *slot, char id[QUEUE_ID_SIZE])
{
	int64_t now = clock_wall_us();

	if (now <= slots_state.last_us)
		now = slots_state.last_us + 1;
	slots_state.last_us = now;
	slot->id_us = now;
	queue_id_make(now, slot->number, id);
}

void
slots_id(const struct slot *slot, char id[QUEUE_ID_SIZE])
{
	queue_id_make(slot->id_us, slot->number, id);
}

/* Does SLOT hold a message that counts? */
static bool
counts(const struct slot *slot)
{
	return slot->use == SLOT_USE_WAITING || slot->use == SLOT_USE_READING ||
	    slot->use == SLOT_USE_ACTIVE;
}

struct slot *
slots_find(struct str id)
{
	int64_t time_us;
	uint32_t number;
	struct slot *slot;

	if (!queue_id_parse(id, &time_us, &number) || number >= slots_state.end)
		return NULL;
	slot = slots_state.by_number[number];
	return slot && slot->id_us == time_us && counts(slot) ? slot : NULL;
}

struct slot *
slots_next(uint32_t *at)
{
	while (*at < slots_state.end) {
		struct slot *slot = slots_state.by_number[(*at)++];

		if (slot)
			return slot;
	}
	return NULL;
}

size_t
slots_messages(void)
{
	return slots_state.messages;
}

/* How many free slots are for notices only. */
static size_t
reserve(void)
{
	return (size_t)conf_int(conf_get(), P_queue_slots_reserved);
}

/* Puts SLOT at the hot end of the free list. */
void
slots_free_list_add(struct slot *slot)
{
	struct slots_state *s = &slots_state;

	/* A dirty one comes by again after its sync. */
	if (s->open_free >= OPEN_FREE_MAX && !slot->is_dirty)
		io_close(&slot->fd);
	if (slot->fd != -1)
		s->open_free++;
	slot->next = fiber_now();
	list_prepend(&s->free, &slot->link);
	fiber_wake_one(&s->reserved_wait);
	if (s->free.count > reserve())
		fiber_wake_one(&s->free_wait);
}

void
slots_free_list_remove(struct slot *slot)
{
	list_remove(&slots_state.free, &slot->link);
	if (slot->fd != -1)
		slots_state.open_free--;
}

/* Takes one off the free list, as soon as there is one for this caller. */
static struct slot *
take_free(bool reserved, fiber_deadline deadline, bool *full)
{
	struct slots_state *s = &slots_state;
	struct fiber_waitq *q = reserved ? &s->reserved_wait : &s->free_wait;
	struct slot *slot;

	while (s->free.count <= (reserved ? 0 : reserve())) {
		slots_upkeep_wake();
		if (s->making_failed || fiber_wait(q, deadline) != FIBER_OK) {
			*full = s->making_failed == ENOSPC || s->making_failed == EDQUOT;
			return NULL;
		}
	}
	slot = LIST_ITEM(list_first(&s->free), struct slot, link);
	slots_free_list_remove(slot);
	slot->use = SLOT_USE_FILLING;
	if (s->free.count <= (size_t)conf_int(conf_get(), P_queue_slots_ahead) / 2)
		slots_upkeep_wake();
	return slot;
}

struct slot *
slots_take(bool reserved, fiber_deadline deadline, bool *full)
{
	struct slot *slot;

	*full = false;
	while ((slot = take_free(reserved, deadline, full)) && !slots_use(slot)) {
		int error = errno;

		log_error("queue slot %" PRIu32 ": open: %s", slot->number, strerror(error));
		slot->users = 1; /* which the next call takes away */
		if (error == EMFILE || error == ENFILE || error == ENOMEM) {
			/* Nothing is wrong with the slot. */
			slots_release(slot);
			return NULL;
		}
		slots_discard(slot);
	}
	return slot;
}

void
slots_arrived(struct slot *slot)
{
	slots_state.messages++;
	slot->use = SLOT_USE_WAITING;
	/* The message's own sync came after all that had been written here before. */
	not_dirty(slot);
}

void
slots_put_new(struct slot *slot, uint64_t content, bool hold)
{
	slot->state = hold ? SLOT_HOLD : SLOT_INCOMING;
	slot->next = 0;
	slot->content = content;
	if (!hold)
		slots_schedule(slot, clock_wall());
	slots_unuse(slot);
}

void
slots_begin_reading(struct slot *slot)
{
	slot->use = SLOT_USE_READING;
	dead_unpark(slot);
	slots_unschedule(slot);
}

void
slots_end_reading(struct slot *slot)
{
	slot->use = SLOT_USE_WAITING;
	if (slot->state != SLOT_HOLD && slot->state != SLOT_FREE)
		slots_schedule(slot, slot->next);
}

struct slot *
slots_settled(struct slot *slot)
{
	char id[QUEUE_ID_SIZE];

	slots_id(slot, id);
	while (slot && slot->use == SLOT_USE_READING) {
		if (fiber_sleep(SETTLE_LOOK_MS) == FIBER_CANCELED)
			return NULL;
		slot = slots_find(str_c(id));
	}
	return slot;
}

void
slots_release(struct slot *slot)
{
	if (counts(slot))
		slots_state.messages--;
	if (slot->owes_sync) {
		slot->owes_sync = false;
		slots_dirty(slot);
	}
	dead_unpark(slot);
	slots_unschedule(slot);
	slot->flushed = slot->probe = false;
	slot->site = 0;
	slot->use = SLOT_USE_FREE;
	slot->state = SLOT_FREE;
	slot->message = NULL;
	slots_unuse(slot);
}

/* Frees a slot whose last user has left: to the free list, or away. */
static void
settle(struct slot *slot)
{
	if (slot->leaving)
		slots_upkeep_leave(slot);
	else
		slots_free_list_add(slot);
}

bool
slots_use(struct slot *slot)
{
	if (slot->fd == -1)
		slot->fd = spool_slot_open(slots_state.spool, slot->number);
	if (slot->fd == -1)
		return false;
	slot->users++;
	return true;
}

void
slots_unuse(struct slot *slot)
{
	if (slot->users == 0)
		log_panic("queue slot %" PRIu32 " is given back by nobody", slot->number);
	if (--slot->users > 0)
		return;
	/* An administrator deleted its message while somebody else was reading it, who leaves now. */
	if (slot->use == SLOT_USE_WAITING && slot->state == SLOT_FREE) {
		slots_state.messages--;
		slots_unschedule(slot);
		slot->use = SLOT_USE_FREE;
	}
	if (slot->use == SLOT_USE_FREE)
		settle(slot);
	else if (slot->use == SLOT_USE_PUT_OFF ||
	    (slot->use == SLOT_USE_WAITING && !slot->is_dirty))
		io_close(&slot->fd);
}

/* What SLOT held is no message of this queue any more. */
static void
take_out(struct slot *slot)
{
	if (counts(slot))
		slots_state.messages--;
	slots_unschedule(slot);
	not_dirty(slot);
	slot->state = SLOT_FREE;
	slot->message = NULL;
}

void
slots_discard(struct slot *slot)
{
	take_out(slot);
	slot->use = SLOT_USE_FREE;
	slot->leaving = true;
	slots_unuse(slot);
}

struct aside_job {
	uint32_t number;
	const char *id;
	struct buf why;
	bool ok;
};

static void
move_aside(void *arg)
{
	struct aside_job *job = arg;

	job->ok = spool_set_aside(slots_state.spool, job->number, job->id, &job->why);
}

bool
slots_set_aside(struct slot *slot, const char *id, const char *what)
{
	struct aside_job job = {.number = slot->number, .id = id};

	fiber_offload(FIBER_POOL_BULK, move_aside, &job);
	if (job.ok) {
		log_warning("%s: queue slot %" PRIu32 " is damaged, moved to corrupt/: %s",
		    id[0] ? id : "unknown message", slot->number, what);
		slots_discard(slot);
	} else {
		log_error("queue slot %" PRIu32 " is damaged (%s) and could not be moved: %s",
		    slot->number, what, buf_cstr(&job.why));
		take_out(slot);
		slots_upkeep_put_off(slot);
		slots_unuse(slot);
	}
	buf_free(&job.why);
	return job.ok;
}

bool
slots_mark(struct slot *slot, const char *id, const struct slot_mark *mark)
{
	int error;

	slot->state = mark->state;
	if (spool_write_mark(slot->fd, id, mark)) {
		slots_dirty(slot);
		return true;
	}
	error = errno;
	log_error("%s: write state mark: %s", id, strerror(error));
	slot->leaving = true;
	errno = error;
	return false;
}

void
slots_dirty(struct slot *slot)
{
	if (slot->is_dirty)
		return;
	slot->is_dirty = true;
	list_append(&slots_state.dirty, &slot->dirty);
	fiber_wake_one(&slots_state.dirty_wait);
}

void
slots_schedule(struct slot *slot, int64_t next)
{
	slot->next = next;
	due_put(&slots_state.due, slot);
	fiber_wake_one(&slots_state.due_wait);
}

void
slots_unschedule(struct slot *slot)
{
	due_remove(&slots_state.due, slot);
}

void
slots_follow_clock(void)
{
	struct slots_state *s = &slots_state;
	int64_t ahead = clock_wall_us() / 1000 - clock_mono_ms();
	int64_t back = s->clock - ahead;

	if (s->clock != 0 && back < CLOCK_SLACK_MS && -back < CLOCK_SLACK_MS)
		return;
	if (s->clock != 0 && back > 0) {
		log_warning("the clock was set back by %" PRId64 " seconds", back / 1000);
		due_shift(&s->due, -(back / 1000));
	}
	s->clock = ahead;
}

void
slots_put_off_tries(void)
{
	struct slots_state *s = &slots_state;
	fiber_deadline end = s->opened + REPORTS_MS, quiet = fiber_after(REPORTS_QUIET_MS);

	s->tries_off = quiet < end ? quiet : end;
}

fiber_deadline
slots_tries_put_off(void)
{
	return slots_state.tries_off;
}

struct slot *
slots_due(void)
{
	return due_first(&slots_state.due);
}

enum fiber_result
slots_due_wait(fiber_deadline deadline)
{
	return fiber_wait(&slots_state.due_wait, deadline);
}

void
slots_due_wake(void)
{
	fiber_wake_one(&slots_state.due_wait);
}
