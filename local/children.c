/*
 * children - forking, reaping and serving workers: see children.h
 *
 * Runs as root. Of what a worker sends, one byte is looked at, and the only thing that it can get is a
 * connection to the socket on which workers report.
 */
#include "local/children.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "local/parent.h"
#include "local/worker.h"

#define REPORT_SOCKET                                                                              \
	"private/qmgr-report" /* relative to queue_directory, where the parent stays */

void
children_init(struct children *c, size_t max)
{
	c->list = mem_array(max, sizeof(*c->list));
	c->n = 0;
	c->max = max;
}

/* --- Beginning -------------------------------------------------------------------------------------- */

static void __attribute__((noreturn)) run_child(int fd, int control, struct str recipient)
{
	sigset_t none;

	signal(SIGCHLD, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* Nothing of the parent's is to be done at this process's end. */
	_exit(worker_run(fd, control, recipient));
}

bool
children_add(struct children *c, int fd, struct str recipient)
{
	struct child *child = &c->list[c->n];
	int pair[2], error;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
		return false;
	child->pid = fork();
	if (child->pid == 0) {
		(void)io_close(&pair[0]);
		run_child(fd, pair[1], recipient);
	}
	error = errno;
	(void)io_close(&pair[1]);
	if (child->pid < 0) {
		(void)io_close(&pair[0]);
		errno = error;
		return false;
	}
	(void)io_close(&fd);
	child->control = pair[0];
	child->recipient = str_dup(recipient);
	c->n++;
	return true;
}

/* --- Ending ----------------------------------------------------------------------------------------- */

static void
log_end(const struct child *child, int status)
{
	if (WIFSIGNALED(status))
		log_warning("delivery worker for \"%s\" (pid %ld) was ended by signal %d (%s)",
		    child->recipient, (long)child->pid, WTERMSIG(status),
		    strsignal(WTERMSIG(status)));
	else if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
		log_warning("delivery worker for \"%s\" (pid %ld) ended with status %d",
		    child->recipient, (long)child->pid, WEXITSTATUS(status));
}

static void
forget(struct children *c, size_t i)
{
	(void)io_close(&c->list[i].control);
	free(c->list[i].recipient);
	c->list[i] = c->list[--c->n];
}

void
children_reap(struct children *c)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (size_t i = 0; i < c->n; i++) {
			if (c->list[i].pid != pid)
				continue;
			log_end(&c->list[i], status);
			forget(c, i);
			break;
		}
	}
}

void
children_signal(const struct children *c, int signo)
{
	/* These have not been waited for, so the numbers are still theirs. */
	for (size_t i = 0; i < c->n; i++)
		if (kill(c->list[i].pid, signo) != 0)
			log_warning(
			    "cannot signal worker %ld: %s", (long)c->list[i].pid, strerror(errno));
}

/* --- Serving ---------------------------------------------------------------------------------------- */

/* A connection for a late report; -1 when there is none to be had now. Does not wait. */
static int
connect_report(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = REPORT_SOCKET};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		log_debug("connect to %s: %s", REPORT_SOCKET, strerror(errno));
		(void)io_close(&fd);
	}
	return fd;
}

static void
answer(const struct child *child, char word, int fd)
{
	struct iovec part = {&word, 1};
	union {
		char data[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (fd >= 0) {
		struct cmsghdr *c;

		memset(&control, 0, sizeof(control));
		message.msg_control = control.data;
		message.msg_controllen = sizeof(control.data);
		c = CMSG_FIRSTHDR(&message);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	if (sendmsg(child->control, &message, MSG_NOSIGNAL | MSG_DONTWAIT) != 1)
		log_debug("worker %ld did not wait for its answer", (long)child->pid);
}

void
children_serve(struct children *c, size_t i, bool leaving)
{
	struct child *child = &c->list[i];
	char word = 0;
	ssize_t n = recv(child->control, &word, 1, MSG_DONTWAIT);
	int fd;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != 1 || word != PARENT_ASK_REPORT) {
		if (n > 0)
			log_warning("worker %ld for \"%s\" asks for what there is not",
			    (long)child->pid, child->recipient);
		(void)io_close(&child->control);
		return;
	}
	fd = connect_report();
	if (leaving)
		word = PARENT_ANSWER_LAST;
	else
		word = fd >= 0 ? PARENT_ANSWER_YES : PARENT_ANSWER_NO;
	answer(child, word, fd);
	(void)io_close(&fd);
}
