/*
 * stop - ending the suite so that nothing in progress is cut short without need
 *
 * First what brings mail in, then the queue manager and its agents (deliveries in progress are waited
 * for), last the log writer. Each phase is bounded: then SIGTERM, then SIGKILL. Mail that was
 * acknowledged is on stable storage all the while.
 */
#include <signal.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "master/master.h"

#define SOURCES_MS 5000
#define DELIVERIES_MS 60000
#define LOG_MS 5000
/* Between SIGTERM and SIGKILL. */
#define KILL_MS 3000

static bool
in_phase(const struct master_child *c, enum master_phase phase)
{
	switch (phase) {
	case PHASE_SOURCES:
		return c->source;
	case PHASE_DELIVERIES:
		return !c->logger;
	default:
		return true;
	}
}

static void
enter(struct master *m, enum master_phase phase, int64_t now)
{
	m->phase = phase;
	m->phase_killed = false;
	m->phase_deadline = now +
	    (phase == PHASE_SOURCES             ? SOURCES_MS
		    : phase == PHASE_DELIVERIES ? DELIVERIES_MS
						: LOG_MS);
	for (struct list_link *l = list_first(&m->children); l; l = list_next(&m->children, l)) {
		struct master_child *c = LIST_ITEM(l, struct master_child, link);

		if (in_phase(c, phase))
			child_drain(c);
	}
}

static size_t
left(const struct master *m)
{
	size_t n = 0;

	for (struct list_link *l = list_first(&m->children); l; l = list_next(&m->children, l))
		n += in_phase(LIST_ITEM(l, struct master_child, link), m->phase);
	return n;
}

static void
kill_phase(struct master *m, int signo)
{
	for (struct list_link *l = list_first(&m->children); l; l = list_next(&m->children, l)) {
		struct master_child *c = LIST_ITEM(l, struct master_child, link);

		if (!in_phase(c, m->phase))
			continue;
		c->ordered_end = true;
		if (!c->source || signo == SIGKILL)
			log_warning("process %s[%ld] has not ended in time: signal %d", c->name,
			    (long)c->pid, signo);
		kill(c->pid, signo);
	}
}

void
stop_begin(struct master *m, int signo)
{
	if (m->phase != PHASE_RUNNING)
		return;
	log_info("terminating on signal %d", signo);
	enter(m, PHASE_SOURCES, clock_mono_ms());
}

void
stop_abort(struct master *m)
{
	log_info("aborted: all processes are ended at once");
	m->phase = PHASE_DELIVERIES;
	m->phase_killed = true;
	for (struct list_link *l = list_first(&m->children); l; l = list_next(&m->children, l)) {
		struct master_child *c = LIST_ITEM(l, struct master_child, link);

		if (c->logger)
			continue;
		c->ordered_end = true;
		kill(c->pid, SIGKILL);
	}
	m->phase_deadline = clock_mono_ms() + KILL_MS;
}

void
stop_step(struct master *m, int64_t now)
{
	while (m->phase != PHASE_RUNNING && m->phase != PHASE_ENDED) {
		if (left(m) == 0) {
			if (m->phase == PHASE_LOG)
				m->phase = PHASE_ENDED;
			else
				enter(m, m->phase + 1, now);
			continue;
		}
		if (now < m->phase_deadline)
			return;
		kill_phase(m, m->phase_killed ? SIGKILL : SIGTERM);
		m->phase_killed = true;
		m->phase_deadline = now + KILL_MS;
	}
}
