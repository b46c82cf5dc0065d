/*
 * children - starting, listening to and burying processes
 *
 * The interface is endpoint.h's: descriptors 3, 4 and 5 up, arguments, the working directory. A child's
 * status packets are checked for size and used as hints only.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "master/master.h"

/* Status packets of one process that are read at once: more than its socket holds. */
#define PACKETS_AT_ONCE 1000

/* Of a growing argument vector. */
struct arguments {
	char **list;
	size_t count;
};

static void
add(struct arguments *a, const char *text)
{
	a->list = mem_resize(a->list, (a->count + 2) * sizeof(*a->list));
	a->list[a->count++] = mem_strdup(text);
	a->list[a->count] = NULL;
}

static void
add_pair(struct arguments *a, const char *option, const char *value)
{
	add(a, option);
	add(a, value);
}

static void
add_overrides(struct arguments *a, const struct master_entry *e)
{
	struct buf b = {0};

	for (size_t i = 0; i < e->n_overrides; i++) {
		buf_reset(&b);
		buf_printf(
		    &b, "%.*s=%.*s", STR_ARG(e->overrides[i].name), STR_ARG(e->overrides[i].value));
		add_pair(a, "-o", buf_cstr(&b));
	}
	buf_free(&b);
}

/* With start-fg and no log file the log goes to master's standard output. */
static bool
logs_to_stdout(const struct master *m, const struct master_service *s)
{
	return m->foreground && policy_logger(s->plan) &&
	    conf_str(m->conf, P_maillog_file).len == 0;
}

static struct arguments
make_arguments(const struct master *m, const struct master_service *s)
{
	const struct master_entry *e = s->plan->entry;
	struct arguments a = {0};
	char number[24];

	add(&a, s->plan->path);
	add_pair(&a, "-n", e->name);
	add_pair(&a, "-t", master_type_name(e->type));
	add_pair(&a, "-c", m->config_dir);
	if (s->plan->jail)
		add(&a, "-j");
	if (s->plan->lower)
		add(&a, "-u");
	snprintf(number, sizeof(number), "%d", s->plan->maxproc);
	add_pair(&a, "-m", number);
	for (int i = 0; i < m->verbose; i++)
		add(&a, "-v");
	add_overrides(&a, e);
	if (logs_to_stdout(m, s))
		add_pair(&a, "-o", "maillog_file=/dev/stdout");
	for (size_t i = 0; i < s->n_listeners; i++)
		add_pair(&a, "-L", s->listeners[i]->name);
	if (policy_logger(s->plan))
		add_pair(&a, "-L", "log:");
	for (size_t i = 0; i < e->n_args; i++)
		add(&a, e->args[i]);
	return a;
}

static void
free_arguments(struct arguments *a)
{
	for (size_t i = 0; i < a->count; i++)
		free(a->list[i]);
	free(a->list);
}

/* In the child: FDS[i] becomes descriptor i. All of FDS lie above n first, so that none is overwritten. */
static bool
place_descriptors(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, (int)n);
		if (fds[i] < 0)
			return false;
	}
	for (size_t i = 0; i < n; i++)
		if (dup2(fds[i], (int)i) < 0)
			return false;
	return true;
}

static void
default_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* A program that is not of the suite does not change its user itself. */
static bool
lower_foreign(const struct master *m, const struct master_service *s)
{
	if (s->plan->program || !s->plan->lower)
		return true;
	return setgroups(0, NULL) == 0 && setgid(m->ids.gid[SERVICE_USER_WORK]) == 0 &&
	    setuid(m->ids.uid[SERVICE_USER_WORK]) == 0 && setuid(0) < 0;
}

/* Runs after fork(); never returns. */
static void __attribute__((noreturn))
become_program(const struct master *m, const struct master_service *s, int status_fd, char **argv)
{
	size_t n = SERVICE_FD_LISTEN + s->n_listeners;
	int *fds = mem_array(n + 1, sizeof(*fds));
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	fds[0] = null_fd;
	fds[1] = logs_to_stdout(m, s) ? STDOUT_FILENO : null_fd;
	fds[2] = m->foreground ? STDERR_FILENO : null_fd;
	fds[SERVICE_FD_STATUS] = status_fd;
	fds[SERVICE_FD_LOG] = m->log_write;
	for (size_t i = 0; i < s->n_listeners; i++)
		fds[SERVICE_FD_LISTEN + i] = s->listeners[i]->fd;
	if (policy_logger(s->plan))
		fds[n++] = m->log_read;
	default_signals();
	/* A group of its own: what the terminal sends on ^C is for master alone. */
	setpgid(0, 0);
	umask(077);
	if (!lower_foreign(m, s))
		log_error("service %s: cannot become the work user: %s", s->plan->entry->name,
		    strerror(errno));
	else if (null_fd < 0 || !place_descriptors(fds, n))
		log_error("service %s: cannot set up descriptors: %s", s->plan->entry->name,
		    strerror(errno));
	else {
		execve(s->plan->path, argv, m->environment);
		_exit(errno == ENOENT ? 127 : 126);
	}
	_exit(125);
}

static bool
is_source(const struct plan_service *p)
{
	return p->entry->type == MASTER_INET ||
	    (p->program && strcmp(p->program->name, "pickup") == 0);
}

static void
adopt(struct master *m, struct master_service *s, pid_t pid, int status_fd)
{
	struct master_child *c = MEM_NEW(struct master_child);

	c->service = s;
	c->name = mem_strdup(s->plan->entry->name);
	c->path = mem_strdup(s->plan->path);
	c->source = is_source(s->plan);
	c->logger = policy_logger(s->plan);
	c->single = s->plan->single;
	c->pid = pid;
	c->status_fd = status_fd;
	c->started = clock_mono_ms();
	c->wakeup_due = s->wakeup_pending;
	s->wakeup_pending = false;
	s->used = true;
	list_append(&m->children, &c->link);
	log_debug("service %s: process %ld started", c->name, (long)pid);
}

bool
child_start(struct master *m, struct master_service *s)
{
	struct arguments argv = make_arguments(m, s);
	int pair[2] = {-1, -1};
	pid_t pid = -1;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0 &&
	    io_set_nonblocking(pair[0], true) == 0)
		pid = fork();
	if (pid == 0)
		become_program(m, s, pair[1], argv.list);
	if (pid > 0) {
		adopt(m, s, pid, pair[0]);
	} else {
		struct buf text = {0};

		buf_printf(
		    &text, "cannot start a process for %s: %s", s->plan->path, strerror(errno));
		failure_note(s, buf_cstr(&text), clock_mono_ms());
		buf_free(&text);
		io_close(&pair[0]);
	}
	io_close(&pair[1]);
	free_arguments(&argv);
	return pid > 0;
}

void
child_order(struct master_child *c, enum service_order order)
{
	char byte = (char)order;

	if (c->status_fd >= 0 && send(c->status_fd, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
	    errno != EPIPE)
		log_warning("process %s[%ld] does not take orders: %s", c->name, (long)c->pid,
		    strerror(errno));
}

void
child_drain(struct master_child *c)
{
	if (c->ordered_end)
		return;
	child_order(c, SERVICE_ORDER_DRAIN);
	c->ordered_end = true;
	c->ending = clock_mono_ms();
}

/* What a process says is any bytes: a bool of them would be none. */
static void
take_status(struct master_child *c, const char *packet)
{
	struct service_status status = {0};

	memcpy(&status, packet, offsetof(struct service_status, ready));
	status.ready = packet[offsetof(struct service_status, ready)] != 0;
	status.leaving = packet[offsetof(struct service_status, leaving)] != 0;
	c->status = status;
}

void
child_read_status(struct master_child *c)
{
	ssize_t n;

	/* Who never stops talking is heard on in the next turn. */
	for (int i = 0; i < PACKETS_AT_ONCE && c->status_fd >= 0; i++) {
		/* One byte more than a packet has, to see that a longer one is wrong. */
		char packet[sizeof(struct service_status) + 1];

		n = recv(c->status_fd, packet, sizeof(packet), MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (n < 0 && errno == EINTR)
			continue;
		if (n != (ssize_t)sizeof(struct service_status)) {
			if (n > 0)
				log_warning(
				    "process %s[%ld] sent a bad status packet; it is let go",
				    c->name, (long)c->pid);
			io_close(&c->status_fd);
			break;
		}
		take_status(c, packet);
	}
	if (c->wakeup_due && c->status.ready) {
		child_order(c, SERVICE_ORDER_WAKEUP);
		c->wakeup_due = false;
	}
}

static void
bury(struct master *m, struct master_child *c, int wait_status)
{
	bool well = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0;
	struct buf text = {0};

	child_read_status(c);
	buf_printf(&text, "process %s pid %ld ", c->path, (long)c->pid);
	failure_describe(wait_status, &text);
	if (well && !c->status.ready && !c->ordered_end)
		buf_puts(&text, " before it was ready");
	if (c->ordered_end || (well && c->status.ready))
		log_debug("%s", buf_cstr(&text));
	else if (c->service && m->phase == PHASE_RUNNING)
		failure_note(c->service, buf_cstr(&text), clock_mono_ms());
	else
		log_warning("%s", buf_cstr(&text));
	buf_free(&text);
	if (c->wakeup_due && c->service)
		c->service->wakeup_pending = true;
	io_close(&c->status_fd);
	list_remove(&m->children, &c->link);
	free(c->name);
	free(c->path);
	free(c);
}

void
children_reap(struct master *m)
{
	int wait_status;
	pid_t pid;

	while ((pid = waitpid(-1, &wait_status, WNOHANG)) > 0) {
		struct list_link *l = list_first(&m->children);

		while (l && LIST_ITEM(l, struct master_child, link)->pid != pid)
			l = list_next(&m->children, l);
		if (l)
			bury(m, LIST_ITEM(l, struct master_child, link), wait_status);
	}
}
