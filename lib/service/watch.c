/*
 * watch - see watch.h
 *
 * Directories are watched, not files: an editor puts a new file in the place of the old one. A descriptor of
 * inotify needs no file to be opened later.
 */
#include "lib/service/watch.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/fiber/fiber.h"
#include "lib/service/service.h"

#define EVENTS (IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_MOVED_FROM)
#define CALM_MS 500 /* who writes several files is let finish */

struct watched {
	int directory; /* inotify's number */
	char *path;
	const char *name; /* in PATH */
};

struct watch {
	int fd;
	struct watched *list;
	size_t n;
};

struct watch *
watch_new(void)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	struct watch *w;

	if (fd < 0) {
		log_warning("inotify: %s: changed files take effect after \"postkeep reload\"",
		    strerror(errno));
		return NULL;
	}
	w = MEM_NEW(struct watch);
	w->fd = fd;
	return w;
}

static void
add_one(struct watch *w, const char *path)
{
	char *copy = mem_strdup(path), *slash = strrchr(copy, '/');
	int directory = -1;

	for (size_t i = 0; i < w->n; i++)
		if (strcmp(w->list[i].path, path) == 0)
			slash = NULL;
	if (slash) {
		*slash = '\0';
		directory = inotify_add_watch(w->fd, slash == copy ? "/" : copy, EVENTS);
		*slash = '/';
	}
	if (directory < 0) {
		free(copy);
		return;
	}
	w->list = mem_resize(w->list, (w->n + 1) * sizeof(*w->list));
	w->list[w->n++] = (struct watched){directory, copy, slash + 1};
}

void
watch_add(struct watch *w, const char *path)
{
	char real[PATH_MAX];
	struct stat st;

	if (!w || !path || path[0] != '/')
		return;
	/* Writing to a device such as /dev/null changes nothing of it. */
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return;
	add_one(w, path);
	if (realpath(path, real) && strcmp(real, path) != 0)
		add_one(w, real);
}

static const char *
find(const struct watch *w, const struct inotify_event *e)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->list[i].directory == e->wd && e->len > 0 &&
		    strcmp(w->list[i].name, e->name) == 0)
			return w->list[i].path;
	return NULL;
}

/* What the descriptor has to say now. */
static const char *
read_events(const struct watch *w)
{
	union {
		struct inotify_event align;
		char bytes[4096];
	} buffer;
	const char *found = NULL;
	ssize_t n = read(w->fd, buffer.bytes, sizeof(buffer.bytes));

	for (ssize_t at = 0; at + (ssize_t)sizeof(struct inotify_event) <= n;) {
		struct inotify_event e;
		const struct inotify_event *whole = (const void *)(buffer.bytes + at);
		const char *path = find(w, whole);

		memcpy(&e, whole, sizeof(e));
		found = path ? path : found;
		at += (ssize_t)sizeof(e) + e.len;
	}
	return found;
}

static void
watch_fiber(void *arg)
{
	struct watch *w = arg;
	struct fiber_fd *wait = fiber_fd_new(w->fd);
	const char *found = NULL;

	while (!found && fiber_fd_wait(wait, FIBER_READ, FIBER_FOREVER) == FIBER_OK)
		found = read_events(w);
	fiber_fd_free(&wait);
	if (!found || fiber_sleep(CALM_MS) == FIBER_CANCELED)
		return;
	log_info("%s has changed: another process takes over", found);
	service_retire("a file has changed");
}

void
watch_start(struct watch *w)
{
	if (w && w->n > 0)
		fiber_spawn("watch", watch_fiber, w);
}
