/* loop - one poll for signals, requests, status packets, clients that wait, and timers. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "master/master.h"

/* Even with no timer set the loop looks around this often. */
#define IDLE_MS 60000

/* What one poll waits for; who stands for which descriptor is known by position. */
struct watch {
	struct pollfd *fds;
	void **owners;
	size_t count, room;
};

static void
watch_add(struct watch *w, int fd, void *owner)
{
	if (w->count == w->room) {
		w->room = w->room ? w->room * 2 : 64;
		w->fds = mem_resize(w->fds, w->room * sizeof(*w->fds));
		w->owners = mem_resize(w->owners, w->room * sizeof(*w->owners));
	}
	w->fds[w->count] = (struct pollfd){.fd = fd, .events = POLLIN};
	w->owners[w->count++] = owner;
}

static void
read_signals(struct master *m)
{
	struct signalfd_siginfo info;

	while (read(m->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		struct conf_problems problems = {0};

		switch (info.ssi_signo) {
		case SIGTERM:
		case SIGINT:
			stop_begin(m, (int)info.ssi_signo);
			break;
		case SIGQUIT:
			stop_abort(m);
			break;
		case SIGHUP:
			if (m->phase == PHASE_RUNNING)
				master_reload(m, &problems);
			conf_problems_free(&problems);
			break;
		case SIGUSR1:
			orders_send(m, "postlogd", SERVICE_ORDER_RELOAD);
			break;
		default:
			break; /* SIGCHLD: children_reap() runs every turn */
		}
	}
}

/* Processes that are needed now, whether a client waits or not. */
static void
start_needed(struct master *m, int64_t now)
{
	for (struct list_link *l = list_first(&m->services); l; l = list_next(&m->services, l)) {
		struct master_service *s = LIST_ITEM(l, struct master_service, link);

		if (policy_want(m, s, now) == POLICY_START)
			child_start(m, s);
	}
}

static void
watch_children(struct master *m, struct watch *w)
{
	for (struct list_link *l = list_first(&m->children); l; l = list_next(&m->children, l)) {
		struct master_child *c = LIST_ITEM(l, struct master_child, link);

		if (c->status_fd >= 0)
			watch_add(w, c->status_fd, c);
	}
}

/* The sockets of services where nobody is free to accept. */
static void
watch_listeners(struct master *m, struct watch *w, int64_t now)
{
	for (struct list_link *l = list_first(&m->services); l; l = list_next(&m->services, l)) {
		struct master_service *s = LIST_ITEM(l, struct master_service, link);

		if (policy_want(m, s, now) != POLICY_POLL)
			continue;
		for (size_t i = 0; i < s->n_listeners; i++)
			watch_add(w, s->listeners[i]->fd, s);
	}
}

static int64_t
next_event(const struct master *m, int64_t now)
{
	int64_t next = overdue_next(m);

	if (next > now + IDLE_MS)
		next = now + IDLE_MS;
	for (struct list_link *l = list_first(&m->services); l; l = list_next(&m->services, l)) {
		const struct master_service *s = LIST_ITEM(l, struct master_service, link);

		if (s->next_wakeup > 0 && s->next_wakeup < next)
			next = s->next_wakeup;
		if (s->not_before > now && s->not_before < next)
			next = s->not_before;
	}
	if (m->phase != PHASE_RUNNING && m->phase_deadline < next)
		next = m->phase_deadline;
	if (m->report_fd >= 0 && m->report_deadline < next)
		next = m->report_deadline;
	return next;
}

static void
wait_and_serve(struct master *m, struct watch *w, size_t services_from, size_t services_to)
{
	int64_t now = clock_mono_ms(), wait = next_event(m, now) - now;
	int n = poll(w->fds, (nfds_t)w->count, wait < 0 ? 0 : (int)wait);

	if (n < 0 && errno != EINTR)
		log_fatal("poll: %s", strerror(errno));
	if (n <= 0)
		return;
	/* Clients before requests and signals: a reload may take services away. */
	for (size_t i = services_from; i < services_to; i++)
		if (w->fds[i].revents != 0 &&
		    policy_want(m, w->owners[i], clock_mono_ms()) == POLICY_POLL)
			child_start(m, w->owners[i]);
	for (size_t i = 2; i < services_from; i++)
		if (w->fds[i].revents != 0)
			child_read_status(w->owners[i]);
	if (w->fds[1].revents != 0)
		control_serve(m);
	if (w->fds[0].revents != 0)
		read_signals(m);
}

void
loop_run(struct master *m)
{
	struct watch w = {0};

	while (m->phase != PHASE_ENDED) {
		size_t services_from;
		int64_t now = clock_mono_ms();

		orders_wakeups(m, now);
		overdue_check(m, now);
		start_needed(m, now);
		w.count = 0;
		watch_add(&w, m->signal_fd, NULL);
		watch_add(&w, m->control_fd, NULL);
		watch_children(m, &w);
		services_from = w.count;
		watch_listeners(m, &w, now);
		wait_and_serve(m, &w, services_from, w.count);
		children_reap(m);
		report_step(m, clock_mono_ms());
		stop_step(m, clock_mono_ms());
		log_flush();
	}
	free(w.fds);
	free(w.owners);
}
