/*
 * leave - how a process comes to its end, and the fiber that looks after that
 *
 * Leaving: listening stops at once (the sockets are master's, no client is lost), the program's drain()
 * runs, sessions end by themselves or, when patience is over, are canceled. Then the process ends.
 */
#include <signal.h>

#include "lib/base/log.h"
#include "lib/service/internal.h"

#define ORPHAN_PATIENCE_MS 30000 /* sessions may go on that long after master is gone */
#define CANCEL_GRACE_MS 5000     /* canceled sessions and drain() have that long to finish */
#define BUSY_LOOK_MS 1000        /* how often a busy process looks whether it is calm again */

static void
drain_fiber(void *arg)
{
	struct service_process *p = arg;

	if (p->service->drain)
		p->service->drain();
	p->drained = true;
	fiber_wake_all(&p->ended);
}

static fiber_deadline
patience(int64_t ms)
{
	return ms < 0 ? FIBER_FOREVER : fiber_after(ms);
}

void
service_leave(struct service_process *p, const char *cause, int64_t patience_ms)
{
	if (p->leaving) {
		/* A second cause can only shorten it. */
		if (patience(patience_ms) < p->patience)
			p->patience = patience(patience_ms);
	} else {
		log_debug("leaving: %s", cause);
		p->leaving = true;
		p->patience = patience(patience_ms);
		service_stop_listening(p);
		service_cancel_sessions(p, true);
		fiber_spawn("drain", drain_fiber, p);
	}
	fiber_wake_all(&p->room);
	fiber_wake_all(&p->ended);
}

void
service_retire(const char *cause)
{
	service_leave(service_process(), cause, -1);
}

static bool
at_end(const struct service_process *p)
{
	return p->leaving && p->drained && p->sessions == 0 && !service_listening(p);
}

fiber_deadline
service_end(void)
{
	const struct service_process *p = service_process();

	if (!p->leaving || p->patience == FIBER_FOREVER)
		return FIBER_FOREVER;
	return p->canceled ? p->patience : p->patience + CANCEL_GRACE_MS;
}

void
service_wait_end(struct service_process *p)
{
	while (!at_end(p)) {
		fiber_deadline until = p->leaving ? p->patience : FIBER_FOREVER;

		if (until > fiber_now()) {
			(void)fiber_wait(&p->ended, until);
		} else if (!p->canceled) {
			p->canceled = true;
			service_cancel_sessions(p, false);
			p->patience = fiber_after(CANCEL_GRACE_MS);
		} else {
			log_warning("%u sessions did not end in time", p->sessions);
			return;
		}
	}
}

/* When to look again if nothing happens. */
static fiber_deadline
next_look(const struct service_process *p)
{
	if (p->untold || (p->told_any && p->told.load >= SERVICE_LOAD_BUSY))
		return fiber_after(BUSY_LOOK_MS);
	if (p->leaving || p->max_idle_ms == 0)
		return FIBER_FOREVER;
	if (p->sessions > 0)
		return fiber_after(p->max_idle_ms);
	return p->idle_since + p->max_idle_ms;
}

static bool
idle_too_long(const struct service_process *p)
{
	return p->max_idle_ms > 0 && p->sessions == 0 && !p->leaving &&
	    fiber_now() - p->idle_since >= p->max_idle_ms;
}

static void
housekeeper(void *arg)
{
	struct service_process *p = arg;
	bool orphan = false;

	for (;;) {
		(void)fiber_wait(&p->attention, next_look(p));
		if (p->term) {
			p->term = false;
			service_leave(p, "SIGTERM", 0);
		}
		if (p->master_gone && !orphan) {
			orphan = true;
			service_leave(p, "master is gone", ORPHAN_PATIENCE_MS);
		}
		if (idle_too_long(p))
			service_leave(p, "idle", -1);
	}
}

static void
on_term(int signo)
{
	struct service_process *p = service_process();

	(void)signo;
	p->term = true;
	fiber_wake_all(&p->attention);
}

void
service_housekeeping(struct service_process *p)
{
	p->idle_since = fiber_now();
	fiber_on_signal(SIGTERM, on_term);
	fiber_spawn("housekeeper", housekeeper, p);
}
