/*
 * maildir_delivery - deliveries to a Maildir
 *
 * Each message is written, synced and renamed in a thread of its own. The sync of the directory is
 * shared: whoever finds none running starts one, which does for all that were renamed before it began.
 */
#include "lib/base/mem.h"
#include "local/delivery.h"

#define LARGE ((uint64_t)256 * 1024) /* such a sync may take long: not among the small ones */

static enum fiber_pool
pool_for(const struct delivery *d)
{
	return d->m->size > LARGE ? FIBER_POOL_BULK : FIBER_POOL_SYNC;
}

/* --- A large message, as it comes --------------------------------------------------------------------- */

static void
begin_spool(struct delivery *d)
{
	for (size_t i = 0; i < d->n && !d->spool_target; i++)
		if (target_open(d, &d->targets[i]))
			d->spool_target = &d->targets[i];
	if (!d->spool_target)
		return;
	struct target *t = d->spool_target;

	t->file = maildir_create(d->worker->maildir, &d->problem);
	d->failed = !t->file || !maildir_write(t->file, buf_view(&t->head), &d->problem);
	if (!d->failed) {
		d->spool_fd = maildir_fd(t->file);
		d->spool_at = (off_t)t->head.len;
	}
}

/* In a thread. */
static void
spool_job(void *arg)
{
	struct delivery *d = arg;

	if (!d->spool_target)
		begin_spool(d);
	if (d->failed || !d->spool_target)
		return;
	d->failed = !maildir_write(d->spool_target->file, buf_view(&d->body), &d->problem);
	d->spooled += d->body.len;
}

void
maildir_spool(struct delivery *d)
{
	fiber_offload(FIBER_POOL_BULK, spool_job, d);
}

/* --- All messages --------------------------------------------------------------------------------------- */

static bool
write_copy(struct delivery *d, struct target *t)
{
	struct store_message message;

	if (t->file)
		return true;
	t->file = maildir_create(d->worker->maildir, &t->problem);
	if (!t->file)
		return false;
	delivery_message(d, t, &message);
	return maildir_put(t->file, &message, &t->problem);
}

/* In a thread. */
static void
write_job(void *arg)
{
	struct delivery *d = arg;

	/* The rest of a large message goes where its beginning is. */
	if (d->spool_target && d->body.len > 0)
		spool_job(d);
	for (size_t i = 0; i < d->n; i++) {
		struct target *t = &d->targets[i];

		if (target_open(d, t))
			t->failed = !write_copy(d, t) ||
			    !maildir_keep(t->file, &d->worker->given_up, &t->problem);
	}
}

static void
probe_job(void *arg)
{
	struct delivery *d = arg;

	d->failed = !maildir_check(d->worker->maildir, &d->problem);
}

struct sync {
	struct target *target;
	bool ok;
};

/* In a thread. */
static void
sync_job(void *arg)
{
	struct sync *sync = arg;

	sync->ok = maildir_sync(sync->target->file, &sync->target->problem);
}

static void
make_durable(struct worker *w, struct target *t)
{
	struct sync sync = {.target = t};

	while (!maildir_durable(t->file)) {
		if (w->maildir_syncing) {
			(void)fiber_wait(&w->synced, FIBER_FOREVER);
			continue;
		}
		w->maildir_syncing = true;
		fiber_offload(FIBER_POOL_SYNC, sync_job, &sync);
		w->maildir_syncing = false;
		fiber_wake_all(&w->synced);
		if (!sync.ok) {
			t->failed = true;
			return;
		}
	}
}

void
maildir_deliver(struct delivery *d)
{
	if (d->m->probe) {
		fiber_offload(FIBER_POOL_READ, probe_job, d);
	} else {
		fiber_offload(pool_for(d), write_job, d);
		for (size_t i = 0; i < d->n; i++)
			if (target_open(d, &d->targets[i]))
				make_durable(d->worker, &d->targets[i]);
	}
	delivery_end(d);
}
