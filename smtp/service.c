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
	struct service_client *from; /* NULL: it is gone, and so should the worker be */
	struct stream *stream;
	struct fiber *fiber;
	struct fiber_waitq changed;
	bool at_end, done;
};

static struct {
	size_t n;
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

	session_serve(&client, w->stream, idle, w, &w->at_end);
	workers.n--;
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
	workers.n++;
	w->fiber = fiber_spawn("channel", work, w);
	while (!w->done)
		if (fiber_wait(&w->changed, FIBER_FOREVER) == FIBER_CANCELED && !w->done) {
			w->from = NULL;
			if (!w->at_end)
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
	fiber_waitq_init(&workers.ended);
	watch_start(client.watch);
	if (client.collector)
		collector_start(client.collector);
	return true;
}

static void
drain(void)
{
	cache_clear(client.cache);
	while (workers.n > 0 && fiber_wait(&workers.ended, FIBER_FOREVER) == FIBER_OK)
		;
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
