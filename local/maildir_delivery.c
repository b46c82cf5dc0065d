/*
 * maildir_delivery - deliveries to a Maildir
 *
 * Messages that come while others are being written make up the next job of a worker thread: all are
 * written, then all synced and renamed, and one sync of the directory does for all. Large ones go alone.
 */
#include "lib/base/mem.h"
#include "local/delivery.h"

#define LARGE ((uint64_t)256 * 1024)

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

/* What D has not yet in files. MORE: others will be written before it is synced. */
static void
write_copies(struct delivery *d, bool more)
{
	/* The rest of a large message goes where its beginning is. */
	if (d->spool_target && d->body.len > 0)
		spool_job(d);
	for (size_t i = 0; i < d->n; i++) {
		struct target *t = &d->targets[i];

		if (!target_open(d, t))
			continue;
		t->failed = !write_copy(d, t);
		if (!t->failed && (more || i + 1 < d->n))
			maildir_begin_sync(t->file);
	}
}

static void
keep_copies(struct delivery *d)
{
	for (size_t i = 0; i < d->n; i++) {
		struct target *t = &d->targets[i];

		if (target_open(d, t))
			t->failed = !maildir_keep(t->file, &d->worker->given_up, &t->problem);
	}
}

/* The first sync of the directory does for all that were kept before it. */
static void
sync_copies(struct delivery *d)
{
	for (size_t i = 0; i < d->n; i++) {
		struct target *t = &d->targets[i];

		if (target_open(d, t))
			t->failed = !maildir_sync(t->file, &t->problem);
	}
}

/* In a thread: N deliveries, each step for all of them before the next. */
static void
deliver_all(void *const *deliveries, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		write_copies(deliveries[i], n > 1);
	}
	for (size_t i = 0; i < n; i++)
		keep_copies(deliveries[i]);
	for (size_t i = 0; i < n; i++)
		sync_copies(deliveries[i]);
}

static void
deliver_large(void *arg)
{
	deliver_all(&arg, 1);
}

static void
probe_job(void *arg)
{
	struct delivery *d = arg;

	d->failed = !maildir_check(d->worker->maildir, &d->problem);
}

void
maildir_deliver(struct delivery *d)
{
	if (d->m->probe)
		fiber_offload(FIBER_POOL_READ, probe_job, d);
	else if (d->m->size > LARGE)
		/* Such a sync may take long: not among the small ones. */
		fiber_offload(FIBER_POOL_BULK, deliver_large, d);
	else
		fiber_group_run(&d->worker->maildir_group, d);
	delivery_end(d);
}

void
maildir_start(struct worker *w)
{
	fiber_group_init(&w->maildir_group, FIBER_POOL_SYNC, deliver_all);
}
