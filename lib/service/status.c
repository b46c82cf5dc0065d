/*
 * status - what master is told, and what it orders
 *
 * Master hears of this process when something changes that it acts on: ready, full, room again, busy,
 * no longer busy, leaving. Not once per session.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base/log.h"
#include "lib/service/internal.h"

/* Lower than SERVICE_LOAD_BUSY, so that a load on the border does not chatter. */
#define LOAD_CALM 50

static bool
busy(const struct service_process *p, unsigned load)
{
	bool told_busy = p->told_any && p->told.load >= SERVICE_LOAD_BUSY;

	return load >= (told_busy ? LOAD_CALM : SERVICE_LOAD_BUSY);
}

static bool
worth_telling(const struct service_process *p, const struct service_status *now)
{
	return !p->told_any || now->ready != p->told.ready || now->leaving != p->told.leaving ||
	    (now->free == 0) != (p->told.free == 0) ||
	    busy(p, now->load) != (p->told.load >= SERVICE_LOAD_BUSY);
}

void
service_status_report(void)
{
	struct service_process *p = service_process();
	struct service_status now = {.sessions = p->sessions,
	    .free = p->leaving || p->sessions >= p->limit ? 0 : p->limit - p->sessions,
	    .load = fiber_load(),
	    .ready = p->ready,
	    .leaving = p->leaving};
	bool was_untold;

	if (!p->ready || p->master_gone || !worth_telling(p, &now))
		return;
	/* Within the band the old word stands: what master is told must agree with busy(). */
	if (busy(p, now.load) && now.load < SERVICE_LOAD_BUSY)
		now.load = SERVICE_LOAD_BUSY;
	/* Into a full queue it is said again later; a lost master is the order fiber's matter. */
	was_untold = p->untold;
	p->untold = send(SERVICE_FD_STATUS, &now, sizeof(now), MSG_NOSIGNAL | MSG_DONTWAIT) < 0;
	if (p->untold) {
		/* The housekeeper may sleep for ever: now it is to look again soon. */
		if (!was_untold)
			fiber_wake_all(&p->attention);
		return;
	}
	p->told = now;
	p->told_any = true;
	fiber_wake_all(&p->attention);
}

static void
job_fiber(void *arg)
{
	struct service_job *job = arg;

	while (job->wanted) {
		job->wanted = false;
		job->run();
	}
	job->running = false;
}

/* Orders that come while the work is going on lead to one more run, not to many at once. */
static void
want(struct service_job *job, const char *name)
{
	if (job->run == NULL)
		return;
	job->wanted = true;
	if (job->running)
		return;
	job->running = true;
	fiber_spawn(name, job_fiber, job);
}

void
service_wakeup(void)
{
	want(&service_process()->wakeup, "wakeup");
}

static void
obey(struct service_process *p, char order)
{
	switch (order) {
	case SERVICE_ORDER_WAKEUP:
		service_wakeup();
		break;
	case SERVICE_ORDER_FLUSH:
		want(&p->flush, "flush");
		break;
	case SERVICE_ORDER_RELOAD:
		if (service_can_reload(p))
			want(&p->reload, "reload");
		else
			/* It cannot read files any more: a successor does, as soon as this one is gone. */
			service_leave(p, "new configuration", p->program->single ? 0 : -1);
		break;
	case SERVICE_ORDER_DRAIN:
		p->stopping = true;
		service_leave(p, "order of master", -1);
		break;
	default:
		log_warning("unknown order from master: %d", order);
	}
}

static void
order_fiber(void *arg)
{
	struct service_process *p = arg;
	struct fiber_fd *ffd = fiber_fd_new(SERVICE_FD_STATUS);
	char order;
	ssize_t n;

	while (fiber_fd_wait(ffd, FIBER_READ, FIBER_FOREVER) == FIBER_OK) {
		n = recv(SERVICE_FD_STATUS, &order, 1, MSG_DONTWAIT);
		if (n == 1)
			obey(p, order);
		else if (n == 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	fiber_fd_free(&ffd);
	p->master_gone = true;
	fiber_wake_all(&p->attention);
}

void
service_status_start(struct service_process *p)
{
	p->wakeup.run = p->service->wakeup;
	p->flush.run = p->service->flush;
	p->reload.run = service_reload_configuration;
	fiber_spawn("orders", order_fiber, p);
}

void
service_parent_report(const struct service_status *status)
{
	if (send(SERVICE_FD_STATUS, status, sizeof(*status), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("cannot report to master: %s", strerror(errno));
}

int
service_parent_order(void)
{
	char order;
	ssize_t n = recv(SERVICE_FD_STATUS, &order, 1, MSG_DONTWAIT);

	if (n == 1)
		return order;
	return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}
