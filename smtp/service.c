/*
 * service - see service.h
 *
 * Talks to servers that may be anybody's: runs as postnet, confined, and keeps nothing. What it needs of
 * files is read before.
 */
#include "smtp/service.h"

#include <stdlib.h>
#include <time.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/fiber/fiber.h"
#include "lib/service/service.h"
#include "smtp/client.h"
#include "smtp/collector.h"
#include "smtp/connect.h"
#include "smtp/late.h"
#include "smtp/session.h"

/* When the suite ends: so long a delivery may go on that has not found a server yet. */
#define SEARCH_MS 2000
#define STOP_LOOK_MS                                                                               \
	1000 /* how often a process that leaves for another reason looks whether it does */
#define LAST_NOTES_MS 2000 /* for what tlsrpt has not heard yet, at the end */

static struct client client;

static bool
open_resources(bool lmtp)
{
	struct buf why = {0};
	bool ok = client_prepare(&client, conf_get(), lmtp, &why);

	tzset();
	if (!ok)
		log_error("%s", buf_cstr(&why));
	buf_free(&why);
	return ok;
}

static bool
open_for_smtp(void)
{
	return open_resources(false);
}

static bool
open_for_lmtp(void)
{
	return open_resources(true);
}

/* --- Sessions ------------------------------------------------------------------------------------- */

/*
 * A channel is served by a fiber of its own, so that the end of the process does not come between the end of
 * a message and its answer: the skeleton cancels its fiber, and this one goes on for a moment.
 */
struct worker {
	struct list_link link;
	struct service_client *from; /* NULL: it is gone, and so should the worker be */
	struct stream *stream;
	struct fiber *fiber;
	struct fiber_waitq changed;
	enum delivery_step step;
	bool done;
};

static struct {
	struct list open;
	struct fiber_waitq ended;
} workers;

static bool
idle(void *arg, bool is_idle)
{
	const struct worker *w = arg;

	return w->from && service_idle(w->from, is_idle);
}

static void
work(void *arg)
{
	struct worker *w = arg;

	session_serve(&client, w->stream, idle, w, &w->step);
	list_remove(&workers.open, &w->link);
	fiber_wake_all(&workers.ended);
	w->done = true;
	if (w->from)
		fiber_wake_all(&w->changed);
	else
		free(w);
}

static void
serve(struct service_client *from)
{
	struct worker *w = MEM_NEW(struct worker);

	w->from = from;
	w->stream = from->stream;
	from->stream = NULL;
	fiber_waitq_init(&w->changed);
	list_append(&workers.open, &w->link);
	w->fiber = fiber_spawn("channel", work, w);
	while (!w->done)
		if (fiber_wait(&w->changed, FIBER_FOREVER) == FIBER_CANCELED && !w->done) {
			w->from = NULL;
			if (w->step != DELIVERY_ENDS)
				fiber_cancel(w->fiber);
			return;
		}
	free(w);
}

/* --- Start and end -------------------------------------------------------------------------------- */

static bool
start(void)
{
	client.cache = cache_new();
	client.connect = connect_to;
	client.late = late_new("private/qmgr-report", client.settings.lmtp ? "lmtp" : "smtp");
	list_init(&workers.open);
	fiber_waitq_init(&workers.ended);
	watch_start(client.watch);
	if (client.collector)
		collector_start(client.collector);
	return true;
}

/* The suite ends: what waits for a server that may never answer waits no longer. */
static void
break_off_searches(void)
{
	for (struct list_link *l = list_first(&workers.open); l; l = list_next(&workers.open, l)) {
		const struct worker *w = LIST_ITEM(l, struct worker, link);

		if (w->step == DELIVERY_SEARCHES)
			fiber_cancel(w->fiber);
	}
}

static void
drain(void)
{
	fiber_deadline until = FIBER_FOREVER;

	cache_clear(client.cache);
	while (list_first(&workers.open)) {
		enum fiber_result result = fiber_wait(&workers.ended, fiber_after(STOP_LOOK_MS));

		if (result == FIBER_CANCELED)
			break;
		if (!service_stopping())
			continue;
		if (until == FIBER_FOREVER)
			until = fiber_after(SEARCH_MS);
		if (fiber_now() >= until)
			break_off_searches();
	}
	cache_clear(client.cache);
	late_drain(client.late, service_end);
	collector_drain(client.collector, LAST_NOTES_MS);
}

int
client_main(bool lmtp, int argc, char **argv)
{
	const struct service service = {
	    .name = lmtp ? "lmtp" : "smtp",
	    .sandbox = SANDBOX_CLIENT,
	    .session_limit = P_default_session_limit,
	    .before_confinement = lmtp ? open_for_lmtp : open_for_smtp,
	    .start = start,
	    .session = serve,
	    .drain = drain,
	};

	return service_run(&service, argc, argv);
}
