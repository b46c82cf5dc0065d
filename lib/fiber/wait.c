/*
 * wait - fibers that wait for a descriptor
 *
 * One libuv poll handle per descriptor, made at the first wait. It stays started while the same event
 * is waited for again and again, so a loop of requests and answers makes no epoll_ctl call. libuv is
 * level triggered: an event that comes when nobody waits is noted and stops the handle.
 */
#include <stdlib.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/fiber/internal.h"

struct fiber_fd {
	uv_poll_t poll;
	int fd;
	bool opened; /* the handle exists */
	bool always; /* cannot be polled (a regular file): always ready */
	int started; /* events the handle is started for */
	int pending; /* events that came when nobody waited */
	struct fiber *reader, *writer;
};

struct fiber_fd *
fiber_fd_new(int fd)
{
	struct fiber_fd *ffd = MEM_NEW(struct fiber_fd);

	ffd->fd = fd;
	return ffd;
}

static void
on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void
fiber_fd_free(struct fiber_fd **pffd)
{
	struct fiber_fd *ffd = *pffd;

	if (!ffd)
		return;
	*pffd = NULL;
	if (ffd->reader || ffd->writer)
		log_panic("fiber_fd_free: a fiber still waits for descriptor %d", ffd->fd);
	if (ffd->opened)
		uv_close((uv_handle_t *)&ffd->poll, on_closed);
	else
		free(ffd);
}

static void on_poll(uv_poll_t *poll, int status, int uv_events);

/* Has the handle started for exactly EVENTS. */
static void
start(struct fiber_fd *ffd, int events)
{
	int uv_events =
	    (events & FIBER_READ ? UV_READABLE : 0) | (events & FIBER_WRITE ? UV_WRITABLE : 0);
	int err;

	if (events == ffd->started)
		return;
	ffd->started = events;
	err = events ? uv_poll_start(&ffd->poll, uv_events, on_poll) : uv_poll_stop(&ffd->poll);
	if (err != 0)
		log_panic(
		    "descriptor %d is waited for in two places: %s", ffd->fd, uv_strerror(err));
}

static void
on_poll(uv_poll_t *poll, int status, int uv_events)
{
	struct fiber_fd *ffd = poll->data;
	int events = (uv_events & UV_READABLE ? FIBER_READ : 0) |
	    (uv_events & UV_WRITABLE ? FIBER_WRITE : 0);
	int unwanted = 0;

	if (status < 0) {
		/* An error on the descriptor: libuv has stopped the handle. */
		ffd->started = 0;
		events = FIBER_READ | FIBER_WRITE;
	}
	if (events & FIBER_READ) {
		if (ffd->reader)
			fiber_ready(ffd->reader, FIBER_OK);
		else
			unwanted |= FIBER_READ;
	}
	if (events & FIBER_WRITE) {
		if (ffd->writer)
			fiber_ready(ffd->writer, FIBER_OK);
		else
			unwanted |= FIBER_WRITE;
	}
	ffd->pending |= unwanted;
	start(ffd, ffd->started & ~unwanted);
}

/* False: the descriptor cannot be polled, so trying tells. */
static bool
open_handle(struct fiber_fd *ffd)
{
	int err;

	if (ffd->opened || ffd->always)
		return ffd->opened;
	err = uv_poll_init(fiber_loop(), &ffd->poll, ffd->fd);
	if (err == UV_EEXIST)
		log_panic("descriptor %d is waited for in two places", ffd->fd);
	if (err != 0) {
		ffd->always = true;
		return false;
	}
	ffd->poll.data = ffd;
	ffd->opened = true;
	return true;
}

/* The events to start the handle for, when EVENTS are what the caller waits for. */
static int
wanted(const struct fiber_fd *ffd, int events)
{
	/* Readability that nobody waits for costs nothing until it comes; writability comes at once. */
	return events | (ffd->started & FIBER_READ) | (ffd->reader ? FIBER_READ : 0) |
	    (ffd->writer ? FIBER_WRITE : 0);
}

enum fiber_result
fiber_fd_wait(struct fiber_fd *ffd, int events, fiber_deadline deadline)
{
	struct fiber *self = fiber_self();
	enum fiber_result result;

	if (self->canceled)
		return FIBER_CANCELED;
	if (deadline <= fiber_now())
		return FIBER_TIMEOUT;
	if (((events & FIBER_READ) && ffd->reader) || ((events & FIBER_WRITE) && ffd->writer))
		log_panic("two fibers (%s is one) wait for descriptor %d", self->name, ffd->fd);
	if (!open_handle(ffd)) {
		fiber_yield();
		return self->canceled ? FIBER_CANCELED : FIBER_OK;
	}
	if (ffd->pending & events) {
		ffd->pending &= ~events;
		return FIBER_OK;
	}
	start(ffd, wanted(ffd, events));
	if (events & FIBER_READ)
		ffd->reader = self;
	if (events & FIBER_WRITE)
		ffd->writer = self;
	result = fiber_block(self, deadline);
	if (events & FIBER_READ)
		ffd->reader = NULL;
	if (events & FIBER_WRITE)
		ffd->writer = NULL;
	return result;
}
