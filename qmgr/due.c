/* due - a binary heap of slots by due time: see due.h. */
#include "qmgr/due.h"

#include "lib/base/mem.h"

/* Earlier first; of equal times the older message. */
static bool
before(const struct slot *a, const struct slot *b)
{
	return a->next != b->next ? a->next < b->next : a->id_us < b->id_us;
}

static void
place(struct due *d, struct slot *slot, size_t at)
{
	d->heap[at] = slot;
	slot->heap_at = at;
}

static void
sift_up(struct due *d, struct slot *slot, size_t at)
{
	while (at > 1 && before(slot, d->heap[at / 2])) {
		place(d, d->heap[at / 2], at);
		at /= 2;
	}
	place(d, slot, at);
}

static void
sift_down(struct due *d, struct slot *slot, size_t at)
{
	for (;;) {
		size_t child = at * 2;

		if (child > d->count)
			break;
		if (child < d->count && before(d->heap[child + 1], d->heap[child]))
			child++;
		if (!before(d->heap[child], slot))
			break;
		place(d, d->heap[child], at);
		at = child;
	}
	place(d, slot, at);
}

void
due_put(struct due *d, struct slot *slot)
{
	if (slot->heap_at == 0) {
		if (d->count + 2 > d->cap) {
			d->cap = d->cap ? d->cap * 2 : 64;
			d->heap = mem_resize(d->heap, d->cap * sizeof(*d->heap));
		}
		slot->heap_at = ++d->count;
		d->heap[slot->heap_at] = slot;
	}
	sift_up(d, slot, slot->heap_at);
	sift_down(d, slot, slot->heap_at);
}

void
due_remove(struct due *d, struct slot *slot)
{
	size_t at = slot->heap_at;
	struct slot *last;

	if (at == 0)
		return;
	last = d->heap[d->count--];
	slot->heap_at = 0;
	if (last == slot)
		return;
	sift_up(d, last, at);
	sift_down(d, last, last->heap_at);
}

struct slot *
due_first(const struct due *d)
{
	return d->count > 0 ? d->heap[1] : NULL;
}

void
due_shift(struct due *d, int64_t seconds)
{
	for (size_t i = 1; i <= d->count; i++)
		d->heap[i]->next += seconds;
}
