/*
 * listen - the suite's listening sockets
 *
 * Files are made in private/ and public/, which are root's (tree_walk has seen to it), with the working
 * directory in queue_directory: no lower user can put a link in the way. A socket file that is there
 * already is a dead master's, since the lock is ours. Modes keep out who is not meant to connect; the
 * program that accepts checks the peer's uid besides.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "master/master.h"

/* How long to wait between two tries for an address that a dying process still holds. */
#define RETRY_MS 100

struct listener *
listen_find(struct master *m, const char *name)
{
	for (struct list_link *l = list_first(&m->listeners); l; l = list_next(&m->listeners, l)) {
		struct listener *listener = LIST_ITEM(l, struct listener, link);

		if (strcmp(listener->name, name) == 0)
			return listener;
	}
	return NULL;
}

static bool
find_path(struct master *m, const char *path)
{
	for (struct list_link *l = list_first(&m->listeners); l; l = list_next(&m->listeners, l)) {
		const struct listener *listener = LIST_ITEM(l, struct listener, link);

		if (listener->path && strcmp(listener->path, path) == 0)
			return true;
	}
	return false;
}

static void
listener_close(struct master *m, struct listener *l, bool remove_file)
{
	list_remove(&m->listeners, &l->link);
	io_close(&l->fd);
	/* A line that changed its type has a new socket under the same path. */
	if (remove_file && l->path && !find_path(m, l->path) && unlink(l->path) < 0 &&
	    errno != ENOENT)
		log_warning("cannot remove %s: %s", l->path, strerror(errno));
	free(l->name);
	free(l);
}

/* Who may use the socket's file, as owner, group and mode. */
static bool
set_rights(const struct master *m, const struct plan_socket *s)
{
	bool public = strncmp(s->path, "public/", 7) == 0;
	uid_t uid;
	gid_t gid;
	mode_t mode;

	/* A program that is not of the suite: a public socket is for everybody, another for root. */
	endpoint_mode(s->known ? s->peers : public ? PEER_ANYONE : 0, &m->ids, &uid, &gid, &mode);
	if (!m->ids.unprivileged && lchown(s->path, uid, gid) < 0)
		return false;
	return chmod(s->path, mode) == 0;
}

static int
bind_fifo(const struct plan_socket *s)
{
	if (mkfifo(s->path, 0600) < 0)
		return -1;
	/* Open for both, so that it never ends when a writer goes. */
	return open(s->path, O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
}

static int
bind_unix(const struct plan_socket *s)
{
	int type = s->kind == PLAN_DGRAM ? SOCK_DGRAM : SOCK_STREAM, saved;
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	if (fd < 0)
		return -1;
	memcpy(un.sun_path, s->path, strlen(s->path));
	if (bind(fd, (struct sockaddr *)&un, sizeof(un)) == 0 &&
	    (s->kind == PLAN_DGRAM || listen(fd, SOMAXCONN) == 0))
		return fd;
	saved = errno;
	io_close(&fd);
	errno = saved;
	return -1;
}

static int
bind_path(const struct master *m, const struct plan_socket *s)
{
	struct stat st;
	int fd, saved;

	if (lstat(s->path, &st) == 0) {
		if (!S_ISSOCK(st.st_mode) && !S_ISFIFO(st.st_mode)) {
			errno = ENOTSOCK;
			return -1;
		}
		if (unlink(s->path) < 0)
			return -1;
	}
	fd = s->kind == PLAN_FIFO ? bind_fifo(s) : bind_unix(s);
	if (fd >= 0 && !set_rights(m, s)) {
		saved = errno;
		io_close(&fd);
		errno = saved;
	}
	return fd;
}

static int
bind_socket(const struct master *m, const struct plan_socket *s, int64_t until)
{
	for (;;) {
		int fd = s->kind == PLAN_INET ? plan_bind(s) : bind_path(m, s);

		if (fd >= 0 || errno != EADDRINUSE || clock_mono_ms() >= until)
			return fd;
		nanosleep(&(struct timespec){.tv_nsec = RETRY_MS * 1000000L}, NULL);
	}
}

/* From 127.0.0.1:25 to 0.0.0.0:25: the kernel lets no process have both, not even for a moment. */
static bool
overlaps(struct master *m, const struct plan_socket *s)
{
	const char *port = strrchr(s->name, ':');

	for (struct list_link *l = list_first(&m->listeners); l; l = list_next(&m->listeners, l)) {
		const char *other = LIST_ITEM(l, struct listener, link)->name;

		if (strncmp(other, "inet:", 5) == 0 && strcmp(strrchr(other, ':'), port) == 0 &&
		    (other[5] == '[') == (s->name[5] == '['))
			return true;
	}
	return false;
}

static void
open_one(struct master *m, const struct plan *plan, const struct plan_service *service,
    const struct plan_socket *s, int64_t until, struct conf_problems *problems)
{
	struct listener *l;
	int fd;

	if (listen_find(m, s->name))
		return;
	fd = bind_socket(m, s, until);
	if (fd < 0) {
		int error = errno;

		if (error == EADDRINUSE && s->kind == PLAN_INET && overlaps(m, s))
			conf_problem(problems, CONF_ERROR, plan->file, service->entry->line,
			    "service %s: %s overlaps with an address that is open now: stop the "
			    "suite, then start it",
			    service->entry->name, s->name);
		else
			plan_bind_failed(plan, service, s, error, problems);
		return;
	}
	l = MEM_NEW(struct listener);
	l->name = mem_strdup(s->name);
	l->path = s->path ? strchr(l->name, ':') + 1 : NULL;
	l->fd = fd;
	list_append(&m->listeners, &l->link);
}

/* At least one address of an inet line must be there. */
static void
check_service(struct master *m, const struct plan *plan, const struct plan_service *s,
    struct conf_problems *problems)
{
	if (s->n_sockets == 0 || problems->errors > 0)
		return;
	for (size_t i = 0; i < s->n_sockets; i++)
		if (listen_find(m, s->sockets[i].name))
			return;
	conf_problem(problems, CONF_ERROR, plan->file, s->entry->line,
	    "service %s: none of its addresses can be listened on", s->entry->name);
}

static void
open_kind(struct master *m, const struct plan *plan, bool inet, int64_t until,
    struct conf_problems *problems)
{
	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_service *s = &plan->services[i];

		for (size_t j = 0; j < s->n_sockets; j++)
			if ((s->sockets[j].kind == PLAN_INET) == inet)
				open_one(m, plan, s, &s->sockets[j], until, problems);
		if (inet && s->entry->type == MASTER_INET)
			check_service(m, plan, s, problems);
	}
}

bool
listen_open(
    struct master *m, const struct plan *plan, int64_t patience_ms, struct conf_problems *problems)
{
	size_t errors = problems->errors, before = m->listeners.count;
	int64_t until = clock_mono_ms() + patience_ms;
	mode_t mask = umask(0177);

	/* What is likely to fail comes first, so that a reload that fails has touched no file. */
	open_kind(m, plan, true, until, problems);
	if (problems->errors == errors)
		open_kind(m, plan, false, until, problems);
	umask(mask);
	if (problems->errors == errors)
		return true;
	/* New ones stand at the end of the list. */
	while (m->listeners.count > before)
		listener_close(m, LIST_ITEM(m->listeners.ends.prev, struct listener, link), true);
	return false;
}

void
listen_close_unwanted(struct master *m, const struct plan *plan)
{
	struct list_link *l, *next;

	for (l = list_first(&m->listeners); l; l = list_next(&m->listeners, l))
		LIST_ITEM(l, struct listener, link)->wanted = false;
	for (size_t i = 0; i < plan->count; i++) {
		for (size_t j = 0; j < plan->services[i].n_sockets; j++) {
			struct listener *found = listen_find(m, plan->services[i].sockets[j].name);

			if (found)
				found->wanted = true;
		}
	}
	for (l = list_first(&m->listeners); l; l = next) {
		struct listener *listener = LIST_ITEM(l, struct listener, link);

		next = list_next(&m->listeners, l);
		if (!listener->wanted)
			listener_close(m, listener, true);
	}
}

void
listen_close_all(struct master *m)
{
	struct list_link *l;

	while ((l = list_first(&m->listeners)))
		listener_close(m, LIST_ITEM(l, struct listener, link), true);
}
