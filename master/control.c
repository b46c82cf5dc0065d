/*
 * control - requests of postkeep, on private/master
 *
 * The socket is open to the suite's own user alone. A client sends one packet at once; one that does
 * not is let go after a second, so that master never waits for long.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/service/control.h"
#include "master/master.h"

bool
control_open(struct master *m, struct buf *why)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = CONTROL_PATH};
	mode_t mask = umask(0177);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool ok = fd >= 0 && (unlink(CONTROL_PATH) == 0 || errno == ENOENT) &&
	    bind(fd, (struct sockaddr *)&un, sizeof(un)) == 0 && listen(fd, 8) == 0;

	if (!ok) {
		buf_printf(why, "cannot listen on %s: %s", CONTROL_PATH, strerror(errno));
		io_close(&fd);
	}
	umask(mask);
	m->control_fd = fd;
	return ok;
}

static void
answer(int fd, const char *text)
{
	size_t len = strlen(text);

	if (len > CONTROL_PACKET_MAX)
		len = CONTROL_PACKET_MAX;
	if (send(fd, text, len, MSG_NOSIGNAL) < 0)
		log_warning("cannot answer postkeep: %s", strerror(errno));
}

static bool
do_reload(struct master *m, int fd)
{
	struct conf_problems problems = {0};
	bool ok = m->phase == PHASE_RUNNING && master_reload(m, &problems);

	for (size_t i = 0; i < problems.count; i++) {
		const struct conf_problem *p = &problems.list[i];
		struct buf b = {0};

		if (p->severity == CONF_NOTE)
			continue;
		buf_puts(&b, p->severity == CONF_ERROR ? "error: " : "warning: ");
		if (p->file)
			buf_printf(&b, "%s, line %zu: ", p->file, p->line);
		buf_puts(&b, p->text);
		answer(fd, buf_cstr(&b));
		buf_free(&b);
	}
	conf_problems_free(&problems);
	return ok;
}

static void
status_of(const struct master *m, const struct master_service *s, int fd)
{
	unsigned processes = 0, sessions = 0, ready = 0;
	struct buf b = {0};

	for (struct list_link *l = list_first(&m->children); l; l = list_next(&m->children, l)) {
		const struct master_child *c = LIST_ITEM(l, struct master_child, link);

		if (c->service == s) {
			processes++;
			sessions += c->status.sessions;
			ready += c->status.ready;
		}
	}
	buf_printf(&b, "%-20s %-10s %-10s processes %u, sessions %u%s", s->plan->entry->name,
	    master_type_name(s->plan->entry->type), s->plan->entry->command, processes, sessions,
	    ready == 0 && failure_recent(s, clock_mono_ms()) ? ", failing (see the log)" : "");
	answer(fd, buf_cstr(&b));
	buf_free(&b);
}

static bool
do_status(struct master *m, int fd)
{
	for (struct list_link *l = list_first(&m->services); l; l = list_next(&m->services, l))
		status_of(m, LIST_ITEM(l, struct master_service, link), fd);
	return true;
}

static bool
do_flush(struct master *m, int fd)
{
	if (orders_send(m, "qmgr", SERVICE_ORDER_FLUSH) == 0) {
		answer(fd, "error: the queue manager is not running at the moment");
		return false;
	}
	orders_send(m, "pickup", SERVICE_ORDER_WAKEUP);
	return true;
}

static bool
do_logrotate(struct master *m, int fd)
{
	if (orders_send(m, "postlogd", SERVICE_ORDER_RELOAD) > 0) {
		/* postkeep waits until this line stands in the new file. */
		log_info("log file opened again");
		return true;
	}
	answer(fd, "error: the log writer is not running at the moment");
	return false;
}

static void
serve(struct master *m, int fd)
{
	static const struct {
		const char *name;
		bool (*run)(struct master *m, int fd);
	} requests[] = {
	    {CONTROL_RELOAD, do_reload},
	    {CONTROL_STATUS, do_status},
	    {CONTROL_FLUSH, do_flush},
	    {CONTROL_LOG_REOPEN, do_logrotate},
	};
	char word[32];
	ssize_t n = recv(fd, word, sizeof(word) - 1, 0);

	if (n <= 0)
		return;
	word[n] = '\0';
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		if (strcmp(requests[i].name, word) == 0) {
			answer(fd, requests[i].run(m, fd) ? "=0" : "=1");
			return;
		}
	}
	answer(fd, "error: unknown request");
	answer(fd, "=1");
}

void
control_serve(struct master *m)
{
	const struct timeval limit = {.tv_sec = 1};
	int fd = accept4(m->control_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == 0)
		serve(m, fd);
	io_close(&fd);
}

void
control_close(struct master *m)
{
	io_close(&m->control_fd);
	if (unlink(CONTROL_PATH) < 0 && errno != ENOENT)
		log_warning("cannot remove %s: %s", CONTROL_PATH, strerror(errno));
}
