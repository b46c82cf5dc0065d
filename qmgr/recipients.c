/*
 * recipients - those of a long list, read from its slot piece by piece: see recipients.h
 */
#include "qmgr/recipients.h"

#include <stdlib.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/fiber/fiber.h"

static size_t in_memory;

size_t
recipients_count(void)
{
	return in_memory;
}

void
recipients_add(size_t n)
{
	in_memory += n;
}

struct piece_job {
	int fd;
	const struct slot_header *header;
	struct spool_cursor cursor;
	size_t max;
	struct arena *arena;
	struct slot_rcpt *rcpts;
	size_t n;
	struct buf why;
	enum spool_status status;
};

static void
read_piece(void *arg)
{
	struct piece_job *job = arg;

	job->status = spool_next_rcpts(job->fd, job->header, &job->cursor, job->max, job->arena,
	    &job->rcpts, &job->n, &job->why);
}

/* Reads on at *CURSOR, into ARENA. False: logged. */
static bool
next_piece(struct message *msg, struct spool_cursor *cursor, size_t max, struct arena *arena,
    struct slot_rcpt **rcpts, size_t *n)
{
	struct piece_job job = {.fd = msg->slot->fd,
	    .header = &msg->m.header,
	    .cursor = *cursor,
	    .max = max,
	    .arena = arena};

	fiber_offload(FIBER_POOL_READ, read_piece, &job);
	if (job.status != SPOOL_OK)
		log_error("%s: read recipients: %s", msg->m.header.id, buf_cstr(&job.why));
	buf_free(&job.why);
	*cursor = job.cursor;
	*rcpts = job.rcpts;
	*n = job.n;
	return job.status == SPOOL_OK;
}

/* --- Slices ----------------------------------------------------------------------------------------- */

static void
slice_free(struct slice *slice)
{
	in_memory -= slice->n;
	arena_free(&slice->arena);
	free(slice);
}

/* Leaves in SLICE, which begins with recipient FIRST, those that are to be done. */
static void
keep_todo(const struct message *msg, struct slice *slice, uint32_t first)
{
	size_t kept = 0;

	slice->indexes = arena_array(slice->arena, slice->n + 1, sizeof(*slice->indexes));
	for (size_t i = 0; i < slice->n; i++) {
		if (msg->m.marks[first + i].state != SLOT_RCPT_TODO)
			continue;
		slice->rcpts[kept] = slice->rcpts[i];
		slice->indexes[kept++] = first + (uint32_t)i;
	}
	slice->n = slice->open = kept;
}

bool
recipients_next(struct message *msg, size_t max, struct slice **out)
{
	bool ok = true;

	while (ok && msg->cursor.index < msg->m.header.rcpts) {
		uint32_t first = msg->cursor.index;
		struct slice *slice = MEM_NEW(struct slice);

		slice->arena = arena_new(1024);
		ok = next_piece(msg, &msg->cursor, max, slice->arena, &slice->rcpts, &slice->n) &&
		    slice->n > 0;
		if (ok)
			keep_todo(msg, slice, first);
		in_memory += slice->n;
		if (ok && slice->n > 0) {
			list_append(&msg->slices, &slice->link);
			*out = slice;
			return true;
		}
		slice_free(slice);
	}
	return false;
}

/* The place of INDEX in SLICE, or slice->n. */
static size_t
place_in(const struct slice *slice, size_t index)
{
	size_t low = 0, high = slice->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (slice->indexes[middle] < index)
			low = middle + 1;
		else
			high = middle;
	}
	return low < slice->n && slice->indexes[low] == index ? low : slice->n;
}

static struct slice *
slice_of(const struct message *msg, size_t index, size_t *place)
{
	for (struct list_link *l = list_first(&msg->slices); l; l = list_next(&msg->slices, l)) {
		struct slice *slice = LIST_ITEM(l, struct slice, link);

		*place = place_in(slice, index);
		if (*place < slice->n)
			return slice;
	}
	return NULL;
}

const struct slot_rcpt *
recipients_get(const struct message *msg, size_t index)
{
	struct slice *slice;
	size_t place;

	if (msg->whole)
		return &msg->m.envelope.rcpts[index];
	slice = slice_of(msg, index, &place);
	if (!slice)
		log_panic("%s: recipient %zu is not in memory", msg->m.header.id, index);
	return &slice->rcpts[place];
}

void
recipients_done(struct message *msg, size_t index)
{
	struct slice *slice;
	size_t place;

	if (msg->whole)
		return;
	slice = slice_of(msg, index, &place);
	if (slice && --slice->open == 0) {
		list_remove(&msg->slices, &slice->link);
		slice_free(slice);
	}
	fiber_wake_all(&msg->fewer);
}

void
recipients_free(struct message *msg)
{
	struct list_link *l;

	while ((l = list_shift(&msg->slices)))
		slice_free(LIST_ITEM(l, struct slice, link));
	if (msg->whole)
		in_memory -= msg->m.header.rcpts;
}

/* --- One after the other ------------------------------------------------------------------------------ */

const struct slot_rcpt *
recipients_read(struct recipients_reader *r, uint32_t index)
{
	const struct message *msg = r->msg;

	if (msg->whole)
		return &msg->m.envelope.rcpts[index];
	if (!r->begun || index < r->first) {
		r->next = msg->first_rcpt;
		r->first = 0;
		r->n = 0;
		r->begun = true;
	}
	while (index >= r->first + r->n) {
		if (!r->arena)
			r->arena = arena_new(1024);
		arena_reset(r->arena);
		r->first = r->next.index;
		if (!next_piece(r->msg, &r->next, SPOOL_PIECE_RCPTS, r->arena, &r->rcpts, &r->n) ||
		    r->n == 0) {
			r->begun = false;
			return NULL;
		}
	}
	return &r->rcpts[index - r->first];
}

void
recipients_reader_end(struct recipients_reader *r)
{
	arena_free(&r->arena);
}
