/*
 * slots_upkeep - recovery at start, and the fibers behind the slots: making new ones, syncing marks in
 * batches, removing what is too many
 */
#include "qmgr/slots_upkeep.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/conf/conf.h"

#define SYNC_PAUSE_MS 500  /* marks gather for this long; with the sync itself, under a second */
#define SYNC_BATCH 64      /* slots in one job */
#define MAKE_MAX 1024      /* slots made at once */
#define MAKE_RETRY_MS 5000 /* after a failure */
#define TRIM_PAUSE_MS 10000
#define TRIM_BATCH 16
#define GROWN_IDLE_MS 5000 /* free for this long, a large slot is cut back */
#define AGAIN_MS 1000 /* until a slot that was put off is tried again; doubles, up to a minute */
#define AGAIN_DOUBLED 6

/* --- Recovery ------------------------------------------------------------------------------------ */

static void
found_slot(uint32_t number, void *arg)
{
	(void)arg;
	slots_add(number);
}

/* What a slot holds, as read in a worker thread. */
struct peeked {
	struct slot *slot;
	enum spool_status status;
	struct slot_header header;
	struct slot_mark mark;
	bool mark_valid;
	uint64_t size;
	int error;
};

struct peek_job {
	struct peeked *list;
	size_t count;
};

static void
peek_slots(void *arg)
{
	struct peek_job *job = arg;

	for (size_t i = 0; i < job->count; i++) {
		struct peeked *p = &job->list[i];
		int fd = spool_slot_open(slots_state.spool, p->slot->number);
		struct stat st;

		p->status = SPOOL_IO_ERROR;
		if (fd != -1) {
			p->status = spool_peek(fd, &p->header, &p->mark, &p->mark_valid);
			p->size = fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
		}
		p->error = errno;
		io_close(&fd);
	}
}

/* A message was found: where it goes on from. */
static void
recover_message(struct peeked *p, int64_t now)
{
	struct slot *slot = p->slot;
	int64_t most = conf_time(conf_get(), P_maximal_backoff_time) / 10 * 11 + 1, next;

	slot->use = SLOT_USE_WAITING;
	slot->state = p->mark.state;
	slot->content = p->header.content;
	slots_state.messages++;
	if (slot->state == SLOT_HOLD)
		return;
	next = now;
	/* No time that this qmgr would not have given, whatever the clock was when it was written. */
	if (slot->state == SLOT_DEFERRED && p->mark.next > next)
		next = p->mark.next < now + most ? p->mark.next : now + most;
	slots_schedule(slot, next);
}

/* True when the slot must be set aside. */
static bool
recover_slot(struct peeked *p, int64_t now)
{
	struct slot *slot = p->slot;
	int64_t id_us = 0;
	uint32_t number = 0;

	slot->grown = p->size > (uint64_t)conf_int(conf_get(), P_queue_slot_size);
	if (p->header.id[0] && queue_id_parse(str_c(p->header.id), &id_us, &number)) {
		slot->id_us = id_us;
		if (id_us > slots_state.last_us)
			slots_state.last_us = id_us;
	}
	switch (p->status) {
	case SPOOL_OK:
		if (number != slot->number)
			return true;
		recover_message(p, now);
		return false;
	case SPOOL_FREE:
		slot->use = SLOT_USE_FREE;
		slots_free_list_add(slot);
		return false;
	case SPOOL_IO_ERROR:
		log_error("queue slot %" PRIu32 ": %s: tried again later", slot->number,
		    strerror(p->error));
		if (p->error == ENOENT)
			slots_forget(slot);
		else
			slots_upkeep_put_off(slot);
		return false;
	default:
		return true;
	}
}

#define PEEK_BATCH 1024
#define PEEKERS 8 /* threads: after a start of the machine each slot is a read of the disk */

struct peeker {
	struct peek_job job;
	size_t *left;
	struct fiber_waitq *done;
};

static void
peek_fiber(void *arg)
{
	struct peeker *p = arg;

	fiber_offload(FIBER_POOL_READ, peek_slots, &p->job);
	if (--*p->left == 0)
		fiber_wake_all(p->done);
}

/* A batch, in several threads. Waits. */
static void
peek_all(struct peeked *list, size_t count)
{
	struct peeker peekers[PEEKERS];
	struct fiber_waitq done;
	size_t left = PEEKERS, begun = 0;

	fiber_waitq_init(&done);
	for (size_t i = 0; i < PEEKERS; i++) {
		size_t end = count * (i + 1) / PEEKERS;

		peekers[i] = (struct peeker){{list + begun, end - begun}, &left, &done};
		begun = end;
		fiber_spawn("look at slots", peek_fiber, &peekers[i]);
	}
	while (left > 0)
		(void)fiber_wait(&done, FIBER_FOREVER);
}

/* Is this one of the slots that were put off, and its time has come? It is put off no longer. */
static bool
try_again(struct slot *slot)
{
	if (slot->use != SLOT_USE_PUT_OFF || slot->users > 0 || slot->next > fiber_now())
		return false;
	slots_state.put_off--;
	slot->next = 0;
	slot->use = SLOT_USE_FILLING;
	if (!slot->leaving)
		return true;
	slots_upkeep_leave(slot);
	return false;
}

/* Reads all slots that were found, or those that were put off, AGAIN. Waits. */
static void
recover(bool again)
{
	struct peek_job job = {mem_array(PEEK_BATCH, sizeof(struct peeked)), 0};
	int64_t now = clock_wall();
	uint32_t at = 0;
	size_t damaged = 0;
	struct slot *slot;

	do {
		job.count = 0;
		while (job.count < PEEK_BATCH && (slot = slots_next(&at)))
			if (!again || try_again(slot))
				job.list[job.count++] = (struct peeked){.slot = slot};
		peek_all(job.list, job.count);
		for (size_t i = 0; i < job.count; i++)
			if (recover_slot(&job.list[i], now)) {
				job.list[i].slot->users = 1; /* which the next call gives back */
				damaged +=
				    slots_set_aside(job.list[i].slot, "", "its header is damaged");
			}
	} while (job.count == PEEK_BATCH);
	if (damaged > 0)
		log_warning("%zu damaged queue slots were moved to corrupt/", damaged);
	free(job.list);
}

void
slots_upkeep_put_off(struct slot *slot)
{
	slot->use = SLOT_USE_PUT_OFF;
	slot->next = fiber_now() + (AGAIN_MS << slot->put_off);
	if (slot->put_off < AGAIN_DOUBLED)
		slot->put_off++;
	slots_state.put_off++;
	fiber_wake_one(&slots_state.put_off_wait);
}

/* A disk, or a lack of descriptors, may get better: what could not be read is mail all the same. */
static void
again_fiber(void *arg)
{
	(void)arg;
	for (;;) {
		while (slots_state.put_off == 0)
			if (fiber_wait(&slots_state.put_off_wait, FIBER_FOREVER) == FIBER_CANCELED)
				return;
		if (fiber_sleep(AGAIN_MS) == FIBER_CANCELED)
			return;
		recover(true);
	}
}

bool
slots_open(struct buf *why)
{
	struct slots_state *s = &slots_state;
	const char *dir = conf_cstr(conf_get(), P_queue_directory);
	bool busy;

	list_init(&s->free);
	list_init(&s->dirty);
	fiber_waitq_init(&s->free_wait);
	fiber_waitq_init(&s->reserved_wait);
	fiber_waitq_init(&s->dirty_wait);
	fiber_waitq_init(&s->due_wait);
	fiber_waitq_init(&s->upkeep_wait);
	fiber_waitq_init(&s->put_off_wait);
	s->spool = spool_open(dir, &busy, why);
	/* A former qmgr that is just ending still holds the lock. */
	for (int i = 0; !s->spool && busy && i < 100; i++) {
		fiber_sleep(100);
		buf_reset(why);
		s->spool = spool_open(dir, &busy, why);
	}
	if (!s->spool || !spool_each(s->spool, found_slot, NULL, why))
		return false;
	recover(false);
	s->opened = fiber_now();
	/* For agents to report what a former qmgr did not hear. */
	if (s->messages > 0)
		slots_put_off_tries();
	return true;
}

/* --- Making slots ---------------------------------------------------------------------------------- */

struct make_job {
	uint32_t first, count;
	size_t size;
	struct buf why;
	bool ok;
	int error;
};

static void
make_slots(void *arg)
{
	struct make_job *job = arg;

	job->ok = spool_make(slots_state.spool, job->first, job->count, job->size, &job->why);
	job->error = errno;
}

void
slots_upkeep_wake(void)
{
	fiber_wake_one(&slots_state.upkeep_wait);
}

/* The first run of numbers without a file, at most COUNT long: holes are filled before the end grows. */
static uint32_t
find_gap(uint32_t *count)
{
	struct slots_state *s = &slots_state;
	uint32_t first = 0, n = 0;

	while (first < s->end && s->by_number[first])
		first++;
	while (n < *count && (first + n >= s->end || !s->by_number[first + n]))
		n++;
	*count = n;
	return first;
}

/* Makes as many as are missing; doubles under pressure. */
static void
make_some(uint32_t *batch)
{
	struct slots_state *s = &slots_state;
	struct make_job job = {
	    .count = *batch, .size = (size_t)conf_int(conf_get(), P_queue_slot_size)};

	job.first = find_gap(&job.count);
	if (job.first + job.count > SPOOL_SLOTS_MAX) {
		log_error("the queue has as many slots as it may");
		s->making_failed = ENOSPC;
		fiber_wake_all(&s->free_wait);
		fiber_wake_all(&s->reserved_wait);
		return;
	}
	fiber_offload(FIBER_POOL_BULK, make_slots, &job);
	s->making_failed = job.ok ? 0 : job.error;
	if (job.ok) {
		for (uint32_t i = 0; i < job.count; i++)
			slots_free_list_add(slots_add(job.first + i));
		if (*batch < MAKE_MAX)
			*batch *= 2;
	} else {
		log_error("%s", buf_cstr(&job.why));
		fiber_wake_all(&s->free_wait);
		fiber_wake_all(&s->reserved_wait);
	}
	buf_free(&job.why);
}

static void
make_fiber(void *arg)
{
	struct slots_state *s = &slots_state;
	uint32_t batch;

	(void)arg;
	for (;;) {
		size_t ahead = (size_t)conf_int(conf_get(), P_queue_slots_ahead) +
		    (size_t)conf_int(conf_get(), P_queue_slots_reserved);

		batch = (uint32_t)(ahead < MAKE_MAX ? ahead : MAKE_MAX);
		while (s->free.count < ahead && !s->making_failed)
			make_some(&batch);
		if (s->making_failed) {
			fiber_sleep(MAKE_RETRY_MS);
			s->making_failed = 0;
			continue;
		}
		if (fiber_wait(&s->upkeep_wait, FIBER_FOREVER) == FIBER_CANCELED)
			return;
	}
}

/* --- Syncing marks --------------------------------------------------------------------------------- */

struct sync_job {
	int fds[SYNC_BATCH];
	struct slot *slots[SYNC_BATCH];
	int errors[SYNC_BATCH];
	size_t count;
};

static void
sync_slots(void *arg)
{
	struct sync_job *job = arg;

	for (size_t i = 0; i < job->count; i++)
		job->errors[i] = fdatasync(job->fds[i]) == 0 ? 0 : errno;
}

/*
 * Takes slots off the dirty list, a batch at the most and no more than *LEFT, which counts down; a free
 * one leaves the free list until its sync has returned.
 * One that is being filled is left to the sync of its new message: were it synced here as well, an error of
 * the new message's blocks could be told here, and its own sync would hear of none.
 */
static void
gather_dirty(struct sync_job *job, size_t *left)
{
	struct slots_state *s = &slots_state;
	struct list_link *l;

	job->count = 0;
	for (; job->count < SYNC_BATCH && *left != 0; --*left) {
		struct slot *slot;

		l = list_shift(&s->dirty);
		if (!l)
			break;
		slot = LIST_ITEM(l, struct slot, dirty);
		slot->is_dirty = false;
		slot->owes_sync = slot->use == SLOT_USE_FILLING;
		if (slot->fd == -1 || slot->owes_sync)
			continue;
		if (slot->use == SLOT_USE_FREE && list_linked(&slot->link))
			slots_free_list_remove(slot);
		slot->users++;
		job->slots[job->count] = slot;
		job->fds[job->count++] = slot->fd;
	}
}

/*
 * One pass every half second over what is dirty when it begins: what becomes dirty meanwhile waits for the
 * next, since most of it is covered by the sync of the slot's next message before.
 */
static void
sync_fiber(void *arg)
{
	struct sync_job *job = MEM_NEW(struct sync_job);
	size_t left;

	(void)arg;
	for (;;) {
		while (list_empty(&slots_state.dirty))
			fiber_wait(&slots_state.dirty_wait, FIBER_FOREVER);
		fiber_sleep(SYNC_PAUSE_MS);
		left = slots_state.dirty.count;
		gather_dirty(job, &left);
		while (job->count > 0) {
			fiber_offload(FIBER_POOL_BULK, sync_slots, job);
			for (size_t i = 0; i < job->count; i++) {
				if (job->errors[i]) {
					log_error("queue slot %" PRIu32 ": sync marks: %s",
					    job->slots[i]->number, strerror(job->errors[i]));
					job->slots[i]->leaving = true;
				}
				slots_unuse(job->slots[i]);
			}
			gather_dirty(job, &left);
		}
	}
}

/* What a former qmgr had written and, since it was killed, never synced. */
static void
sync_spool(void *arg)
{
	*(int *)arg = spool_sync(slots_state.spool) ? 0 : errno;
}

static void
sync_former_fiber(void *arg)
{
	int error;

	(void)arg;
	fiber_offload(FIBER_POOL_BULK, sync_spool, &error);
	if (error)
		log_error("sync the spool: %s", strerror(error));
}

/* --- Removing what is too many --------------------------------------------------------------------- */

void
slots_upkeep_leave(struct slot *slot)
{
	if (!spool_remove(slots_state.spool, slot->number)) {
		log_error("queue slot %" PRIu32 ": remove: %s: tried again later", slot->number,
		    strerror(errno));
		slot->leaving = true;
		io_close(&slot->fd);
		slots_upkeep_put_off(slot);
		return;
	}
	slots_forget(slot);
}

/* Surplus slots go, from the cold end. */
static void
remove_surplus(void)
{
	struct slots_state *s = &slots_state;
	size_t spare = (size_t)conf_int(conf_get(), P_queue_slots_spare);
	struct list_link *l = s->free.ends.prev;

	for (size_t n = 0; n < TRIM_BATCH && s->free.count > spare; n++) {
		struct slot *slot = LIST_ITEM(l, struct slot, link);

		l = l->prev;
		if (slot->is_dirty)
			continue;
		slots_free_list_remove(slot);
		slots_upkeep_leave(slot);
	}
}

struct cut_job {
	int fd;
	off_t size;
	int error;
};

static void
cut_slot(void *arg)
{
	struct cut_job *job = arg;

	job->error = ftruncate(job->fd, job->size) == 0 ? 0 : errno;
}

/* A slot that has grown and was free for a while; wherever it stands in the list. */
static struct slot *
find_grown(void)
{
	struct list *list = &slots_state.free;

	for (struct list_link *l = list->ends.prev; l != &list->ends; l = l->prev) {
		struct slot *slot = LIST_ITEM(l, struct slot, link);

		if (slot->grown && !slot->is_dirty && fiber_now() - slot->next >= GROWN_IDLE_MS)
			return slot;
	}
	return NULL;
}

/* Gives the blocks of large messages that have left back to the file system. Waits. */
static void
cut_grown(void)
{
	struct slot *slot;

	while ((slot = find_grown())) {
		struct cut_job job = {.size = (off_t)conf_int(conf_get(), P_queue_slot_size)};

		slots_free_list_remove(slot);
		slot->grown = false;
		if (slots_use(slot)) {
			job.fd = slot->fd;
			fiber_offload(FIBER_POOL_BULK, cut_slot, &job);
			if (job.error) {
				log_error("queue slot %" PRIu32 ": cut back: %s", slot->number,
				    strerror(job.error));
				slot->leaving = true;
			}
			slots_unuse(slot);
		} else {
			slots_free_list_add(slot);
		}
	}
}

static void
trim_fiber(void *arg)
{
	(void)arg;
	while (fiber_sleep(TRIM_PAUSE_MS) != FIBER_CANCELED) {
		remove_surplus();
		cut_grown();
	}
}

/* --- Room on the file system ------------------------------------------------------------------------ */

static void
ask_room(void *arg)
{
	uint64_t bytes = 0, inodes;

	if (!spool_free_space(slots_state.spool, &bytes, &inodes))
		bytes = 0;
	*(uint64_t *)arg = bytes;
}

uint64_t
slots_room(void)
{
	struct slots_state *s = &slots_state;

	if (s->room_at == 0 || fiber_now() - s->room_at > 1000) {
		uint64_t room;

		fiber_offload(FIBER_POOL_READ, ask_room, &room);
		s->room = room;
		s->room_at = fiber_now();
	}
	return s->room;
}

void
slots_start(void)
{
	fiber_spawn("sync former marks", sync_former_fiber, NULL);
	fiber_spawn("look again", again_fiber, NULL);
	fiber_spawn("make slots", make_fiber, NULL);
	fiber_spawn("sync marks", sync_fiber, NULL);
	fiber_spawn("trim slots", trim_fiber, NULL);
}
