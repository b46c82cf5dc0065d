/*
 * mbox_delivery - deliveries to a mailbox file
 *
 * All messages that are there when the lock can be had are appended under it and made durable by one
 * sync. While somebody else holds the lock a fiber waits, not a thread, and more messages gather.
 */
#include <errno.h>

#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/conf/conf.h"
#include "lib/store/place.h"
#include "local/delivery.h"

/* --- A large message, as it comes --------------------------------------------------------------------- */

/* In a thread. */
static void
spool_job(void *arg)
{
	struct delivery *d = arg;

	if (!d->own_spool) {
		d->spool_fd = place_scratch(d->worker->mailbox.base);
		d->own_spool = d->spool_fd >= 0;
	}
	if (!d->own_spool || io_write_all(d->spool_fd, d->body.data, d->body.len) != 0) {
		store_problem(&d->problem, errno, "cannot keep a large message in %s",
		    d->worker->mailbox.base);
		d->failed = true;
	}
	d->spooled += d->body.len;
}

void
mbox_spool(struct delivery *d)
{
	fiber_offload(FIBER_POOL_BULK, spool_job, d);
}

/* --- Under the lock ------------------------------------------------------------------------------------- */

struct batch {
	struct worker *worker;
	struct list deliveries;
	enum mbox_status status;
	struct store_problem problem;
};

static void
append_delivery(struct worker *w, struct delivery *d)
{
	struct store_message message;
	struct buf envelope = {0};

	store_envelope(d->m->sender, clock_wall(), &envelope);
	for (size_t i = 0; i < d->n; i++) {
		struct target *t = &d->targets[i];

		if (!target_open(d, t))
			continue;
		delivery_message(d, t, &message);
		message.envelope = buf_view(&envelope);
		t->failed = atomic_load(&w->given_up)
		    ? !store_problem(&t->problem, 0, "delivery given up")
		    : !mbox_append(w->mbox, &message, &t->problem);
	}
	buf_free(&envelope);
}

/* What the whole batch has met with. */
static void
fail_all(struct batch *b)
{
	struct list_link *l;

	for (l = list_first(&b->deliveries); l; l = list_next(&b->deliveries, l)) {
		struct delivery *d = LIST_ITEM(l, struct delivery, link);

		for (size_t i = 0; i < d->n; i++) {
			struct target *t = &d->targets[i];

			if (!target_open(d, t))
				continue;
			t->failed = true;
			store_problem_copy(&t->problem, &b->problem);
		}
	}
}

/* In a thread. */
static void
batch_job(void *arg)
{
	struct batch *b = arg;
	struct mbox *mbox = b->worker->mbox;
	struct list_link *l;

	b->status = mbox_lock(mbox, &b->problem);
	if (b->status != MBOX_OK)
		return;
	for (l = list_first(&b->deliveries); l; l = list_next(&b->deliveries, l))
		append_delivery(b->worker, LIST_ITEM(l, struct delivery, link));
	if (!mbox_commit(mbox, &b->problem))
		b->status = MBOX_FAILED;
	mbox_unlock(mbox);
}

/* Takes over all that waits. */
static void
gather(struct batch *b)
{
	struct list_link *l;

	while ((l = list_shift(&b->worker->mbox_queue)))
		list_append(&b->deliveries, l);
}

static bool
large(const struct batch *b)
{
	struct list_link *l;

	for (l = list_first(&b->deliveries); l; l = list_next(&b->deliveries, l))
		if (LIST_ITEM(l, struct delivery, link)->spool_fd >= 0)
			return true;
	return false;
}

static void
run_batch(struct batch *b)
{
	const struct conf *conf = conf_get();
	int64_t tries = conf_int(conf, P_deliver_lock_attempts);
	int64_t pause_ms = conf_time(conf, P_deliver_lock_delay) * 1000;
	struct list_link *l;

	for (;;) {
		gather(b);
		fiber_offload(large(b) ? FIBER_POOL_BULK : FIBER_POOL_SYNC, batch_job, b);
		if (b->status != MBOX_BUSY || --tries <= 0 || atomic_load(&b->worker->given_up))
			break;
		(void)fiber_sleep(pause_ms);
	}
	if (b->status != MBOX_OK)
		fail_all(b);
	while ((l = list_shift(&b->deliveries)))
		delivery_end(LIST_ITEM(l, struct delivery, link));
}

static void
committer(struct worker *w)
{
	w->mbox_busy = true;
	while (!list_empty(&w->mbox_queue)) {
		struct batch b = {.worker = w};

		list_init(&b.deliveries);
		run_batch(&b);
		buf_free(&b.problem.why);
	}
	w->mbox_busy = false;
}

/* --- One delivery --------------------------------------------------------------------------------------- */

static void
probe_job(void *arg)
{
	struct delivery *d = arg;

	d->failed = !mbox_check(d->worker->mbox, &d->problem);
}

void
mbox_deliver(struct delivery *d)
{
	struct worker *w = d->worker;

	if (d->m->probe || d->failed) {
		if (d->m->probe)
			fiber_offload(FIBER_POOL_READ, probe_job, d);
		delivery_end(d);
		return;
	}
	/* The rest of a large message goes where its beginning is. */
	if (d->spool_fd >= 0 && d->body.len > 0)
		mbox_spool(d);
	list_append(&w->mbox_queue, &d->link);
	if (!w->mbox_busy)
		committer(w);
}
