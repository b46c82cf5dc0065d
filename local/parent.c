/*
 * parent - accept, look, fork: see parent.h
 *
 * Runs as root. Nothing here waits for a peer: slow ones are kept in a list, with a deadline each, and
 * the user database is asked by the child.
 */
#include "config.h"

#include "local/parent.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/service/service.h"
#include "local/children.h"
#include "local/introduction.h"

#define PENDING_MAX 32           /* connections that have not introduced themselves */
#define PENDING_MS 10000         /* how long they may take */
#define PAUSE_MS 1000            /* after the system refused another descriptor */
#define PARTIAL_MS 20            /* before a half introduction is looked at again */
#define WORKERS_MAX 1000         /* with an unlimited maxproc */
#define ORPHAN_PATIENCE_MS 60000 /* for workers to end after master is gone */
#define TERM_PATIENCE_MS 10000   /* after they have been told to end at once */

struct pending {
	int fd;
	int64_t deadline;
	bool partial;
};

struct parent {
	int *listen;
	size_t n_listen;
	int64_t listen_after; /* not before then */
	struct pending pending[PENDING_MAX];
	size_t n_pending;
	struct children children;
	bool leaving, told_to_end;
	int64_t patience; /* when leaving: what still runs then is ended */
	bool master_gone;
};

/* Set by the handler, looked at by the loop. */
static struct {
	volatile sig_atomic_t child_ended, end_wanted;
} signals;

static void
on_signal(int signo)
{
	if (signo == SIGCHLD)
		signals.child_ended = 1;
	else
		signals.end_wanted = 1;
}

/* --- Leaving ---------------------------------------------------------------------------------------- */

static void
drop_pending(struct parent *p, size_t i)
{
	(void)io_close(&p->pending[i].fd);
	p->pending[i] = p->pending[--p->n_pending];
}

static void
leave(struct parent *p, int64_t patience_ms)
{
	const struct service_status status = {
	    .sessions = (unsigned)p->children.n, .ready = true, .leaving = true};
	int64_t until = clock_mono_ms() + patience_ms;

	if (!p->leaving || until < p->patience)
		p->patience = until;
	if (p->leaving)
		return;
	p->leaving = true;
	for (size_t i = 0; i < p->n_listen; i++)
		(void)io_close(&p->listen[i]);
	p->n_listen = 0;
	while (p->n_pending > 0)
		drop_pending(p, 0);
	service_parent_report(&status);
}

static void
obey(struct parent *p)
{
	int order;

	while ((order = service_parent_order()) > 0) {
		/* A successor reads the new configuration; workers end as qmgr closes their channels. */
		if (order == SERVICE_ORDER_DRAIN || order == SERVICE_ORDER_RELOAD)
			leave(p, conf_time(conf_get(), P_daemon_timeout) * 1000);
	}
	if (order < 0) {
		p->master_gone = true;
		leave(p, ORPHAN_PATIENCE_MS);
	}
}

static void
end_patience(struct parent *p)
{
	if (p->told_to_end) {
		log_warning("%zu delivery workers do not end: killing them", p->children.n);
		children_signal(&p->children, SIGKILL);
	} else {
		children_signal(&p->children, SIGTERM);
	}
	p->told_to_end = true;
	p->patience = clock_mono_ms() + TERM_PATIENCE_MS;
}

/* --- Channels --------------------------------------------------------------------------------------- */

static bool
peer_allowed(int fd)
{
	const struct program *program = program_find("local");
	struct ucred peer;
	socklen_t n = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 &&
	    endpoint_admits(program->peers, service_identities(), peer.uid, peer.gid))
		return true;
	log_warning(
	    "connection of uid %ld refused: only the queue manager may connect", (long)peer.uid);
	return false;
}

static void
accept_some(struct parent *p, int listener)
{
	while (p->n_pending < PENDING_MAX) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0) {
			if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
				return;
			log_warning("cannot accept: %s", strerror(errno));
			p->listen_after = clock_mono_ms() + PAUSE_MS;
			return;
		}
		if (!peer_allowed(fd)) {
			(void)io_close(&fd);
			continue;
		}
		p->pending[p->n_pending++] =
		    (struct pending){.fd = fd, .deadline = clock_mono_ms() + PENDING_MS};
	}
}

static void
start_worker(struct parent *p, int fd, struct str recipient)
{
	struct buf text = {0};

	if (p->children.n < p->children.max && children_add(&p->children, fd, recipient))
		return;
	if (p->children.n >= p->children.max) {
		buf_printf(&text, "all %zu delivery workers are busy", p->children.max);
	} else {
		buf_printf(&text, "cannot start a delivery worker: %s", strerror(errno));
		log_warning("%s", buf_cstr(&text));
	}
	introduction_refuse(fd, "4.3.2", &text, p->children.n >= p->children.max);
	buf_free(&text);
	(void)io_close(&fd);
}

static void
look_at_pending(struct parent *p, size_t i)
{
	struct pending *c = &p->pending[i];
	struct buf recipient = {0}, why = {0};
	enum introduction result = introduction_peek(c->fd, &recipient, &why);
	bool late = clock_mono_ms() >= c->deadline;
	int fd = c->fd;

	c->partial = result == INTRODUCTION_PARTIAL;
	if (result == INTRODUCTION_COMPLETE) {
		c->fd = -1;
		drop_pending(p, i);
		start_worker(p, fd, buf_view(&recipient));
	} else if (result == INTRODUCTION_BAD || late) {
		log_warning(
		    "channel refused: %s", late ? "no introduction in time" : buf_cstr(&why));
		drop_pending(p, i);
	}
	buf_free(&recipient);
	buf_free(&why);
}

/* --- The loop --------------------------------------------------------------------------------------- */

/* What to wait for: master, listeners, pending ones, children; in this order. Returns how many. */
static size_t
fill_poll(const struct parent *p, struct pollfd *fds)
{
	bool listening = p->n_pending < PENDING_MAX && clock_mono_ms() >= p->listen_after;
	size_t n = 0;

	/* What is not to be looked at has a negative descriptor. */
	fds[n++] = (struct pollfd){p->master_gone ? -1 : SERVICE_FD_STATUS, POLLIN, 0};
	for (size_t i = 0; i < p->n_listen; i++)
		fds[n++] = (struct pollfd){listening ? p->listen[i] : -1, POLLIN, 0};
	for (size_t i = 0; i < p->n_pending; i++)
		fds[n++] =
		    (struct pollfd){p->pending[i].partial ? -1 : p->pending[i].fd, POLLIN, 0};
	for (size_t i = 0; i < p->children.n; i++)
		fds[n++] = (struct pollfd){p->children.list[i].control, POLLIN, 0};
	return n;
}

static int64_t
next_deadline(const struct parent *p)
{
	int64_t next = p->leaving ? p->patience : INT64_MAX;

	if (!p->leaving && p->listen_after > clock_mono_ms())
		next = p->listen_after;
	for (size_t i = 0; i < p->n_pending; i++) {
		int64_t at =
		    p->pending[i].partial ? clock_mono_ms() + PARTIAL_MS : p->pending[i].deadline;

		next = at < next ? at : next;
	}
	return next;
}

/* Waits; signals come in only here. */
static void
wait_for_events(const struct parent *p, struct pollfd *fds, size_t n, const sigset_t *open)
{
	int64_t next = next_deadline(p), now = clock_mono_ms();
	int64_t ms = next > now ? next - now : 0;
	struct timespec wait = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (ms % 1000) * 1000000};

	if (ppoll(fds, n, next == INT64_MAX ? NULL : &wait, open) < 0 && errno != EINTR)
		log_fatal("poll: %s", strerror(errno));
}

static void
turn(struct parent *p, struct pollfd *fds, const sigset_t *open)
{
	size_t n = fill_poll(p, fds), n_listen = p->n_listen, n_children = p->children.n;

	wait_for_events(p, fds, n, open);
	/* From the end to the start: what is removed is replaced by a later, served one. */
	for (size_t i = n_children; i > 0; i--)
		if (fds[n - n_children + i - 1].revents)
			children_serve(&p->children, i - 1, p->leaving);
	for (size_t i = p->n_pending; i > 0; i--)
		look_at_pending(p, i - 1);
	for (size_t i = 0; i < n_listen; i++)
		if (fds[1 + i].revents)
			accept_some(p, p->listen[i]);
	if (fds[0].revents)
		obey(p);
	if (signals.end_wanted) {
		signals.end_wanted = 0;
		leave(p, 0);
	}
	if (signals.child_ended) {
		signals.child_ended = 0;
		children_reap(&p->children);
	}
	if (p->leaving && p->children.n > 0 && clock_mono_ms() >= p->patience)
		end_patience(p);
}

/* Signals are held back but in ppoll(). *OPEN: the mask for that. */
static void
catch_signals(sigset_t *open)
{
	struct sigaction action = {.sa_handler = on_signal};
	sigset_t held;

	sigemptyset(&held);
	sigaddset(&held, SIGCHLD);
	sigaddset(&held, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &held, open) != 0 || sigaction(SIGCHLD, &action, NULL) != 0 ||
	    sigaction(SIGTERM, &action, NULL) != 0)
		log_fatal("cannot catch signals: %s", strerror(errno));
	sigdelset(open, SIGCHLD);
	sigdelset(open, SIGTERM);
}

int
parent_run(const int *listen_fds, size_t n)
{
	struct parent p = {.n_listen = n};
	size_t max = service_maxproc();
	struct pollfd *fds;
	sigset_t open;

	max = max == 0 || max > WORKERS_MAX ? WORKERS_MAX : max;
	p.listen = mem_array(n, sizeof(int));
	memcpy(p.listen, listen_fds, n * sizeof(int));
	children_init(&p.children, max);
	fds = mem_array(1 + n + PENDING_MAX + max, sizeof(*fds));
	catch_signals(&open);
	while (!p.leaving || p.children.n > 0)
		turn(&p, fds, &open);
	free(fds);
	free(p.listen);
	free(p.children.list);
	return 0;
}
