/*
 * listen - a fiber per listening socket
 *
 * Accepts in batches, and not at all while the process has as many sessions as it may: then clients
 * wait in the kernel's queue, or another process of the service takes them. A part of the sessions is
 * kept for each socket, so that who fills one (strangers that of the network, a user that of mailq) does
 * not close the others.
 */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/service/internal.h"

#define BATCH 16      /* clients accepted in one go: others get their turn in between */
#define PAUSE_MS 1000 /* after the system refused another descriptor */
#define RESERVED_PART                                                                              \
	4 /* one in so many sessions is kept, in equal shares, for each socket alone */

/* May one more come by E? */
static bool
has_room(const struct service_process *p, const struct service_endpoint *e)
{
	unsigned reserve = p->limit / (RESERVED_PART * (unsigned)p->args.n_endpoints), kept = 0;

	for (size_t i = 0; i < p->args.n_endpoints; i++) {
		const struct service_endpoint *other = &p->args.endpoints[i];

		if (other != e && other->sessions < reserve)
			kept += reserve - other->sessions;
	}
	return p->sessions < p->limit && (e->sessions < reserve || p->sessions + kept < p->limit);
}

/* False when the system has no more to give: the caller pauses. */
static bool
accept_batch(struct service_process *p, struct service_endpoint *e)
{
	for (int i = 0; i < BATCH && has_room(p, e) && !p->leaving; i++) {
		int fd = accept4(e->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			service_open_session(p, (size_t)(e - p->args.endpoints), fd);
			continue;
		}
		switch (errno) {
		case EAGAIN:
			return true;
		case EMFILE:
		case ENFILE:
		case ENOBUFS:
		case ENOMEM:
			log_warning("%s: cannot accept: %s", e->text, strerror(errno));
			return false;
		default:
			/* The client has gone in the meantime, or its network has: the next one. */
			continue;
		}
	}
	return true;
}

static enum fiber_result
next_clients(struct service_process *p, struct service_endpoint *e, struct fiber_fd *ffd)
{
	enum fiber_result result = FIBER_OK;

	if (!has_room(p, e))
		return fiber_wait(&p->room, FIBER_FOREVER);
	result = fiber_fd_wait(ffd, FIBER_READ, FIBER_FOREVER);
	if (result == FIBER_OK && !accept_batch(p, e))
		result = fiber_sleep(PAUSE_MS);
	return result == FIBER_CANCELED ? FIBER_CANCELED : FIBER_OK;
}

static void
acceptor(void *arg)
{
	struct service_endpoint *e = arg;
	struct service_process *p = service_process();
	struct fiber_fd *ffd = fiber_fd_new(e->fd);

	while (!p->leaving && next_clients(p, e, ffd) == FIBER_OK)
		fiber_yield();
	fiber_fd_free(&ffd);
	(void)io_close(&e->fd);
	e->listener = NULL;
	fiber_wake_all(&p->ended);
}

/*
 * A socket that takes no connections (a fifo, a datagram socket: the pickup and qmgr of old master.cf
 * files) is one to wake the program by, whatever is written to it.
 */
static bool
takes_connections(int fd)
{
	int yes = 0;
	socklen_t n = sizeof(yes);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &n) == 0 && yes != 0;
}

static void
trigger(void *arg)
{
	struct service_endpoint *e = arg;
	struct fiber_fd *ffd = fiber_fd_new(e->fd);
	char bytes[256];
	ssize_t n;

	while (fiber_fd_wait(ffd, FIBER_READ, FIBER_FOREVER) == FIBER_OK) {
		n = read(e->fd, bytes, sizeof(bytes));
		if (n > 0)
			service_wakeup();
		else if (n == 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	fiber_fd_free(&ffd);
	e->listener = NULL;
	fiber_wake_all(&service_process()->ended);
}

static void
datagrams(void *arg)
{
	struct service_endpoint *e = arg;
	struct service_process *p = service_process();

	p->service->datagrams(e->fd, (size_t)(e - p->args.endpoints));
	e->listener = NULL;
	fiber_wake_all(&p->ended);
}

void
service_listen(struct service_process *p)
{
	for (size_t i = 0; i < p->args.n_endpoints; i++) {
		struct service_endpoint *e = &p->args.endpoints[i];

		if (p->service->datagrams)
			e->listener = fiber_spawn("datagrams", datagrams, e);
		else if (!takes_connections(e->fd))
			e->listener = fiber_spawn("trigger", trigger, e);
		else if (p->service->session)
			e->listener = fiber_spawn("listener", acceptor, e);
	}
}

void
service_stop_listening(struct service_process *p)
{
	for (size_t i = 0; i < p->args.n_endpoints; i++)
		if (p->args.endpoints[i].listener)
			fiber_cancel(p->args.endpoints[i].listener);
}

bool
service_listening(const struct service_process *p)
{
	for (size_t i = 0; i < p->args.n_endpoints; i++)
		if (p->args.endpoints[i].listener)
			return true;
	return false;
}
