/* postkeep_start - start and start-fg. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin/postkeep.h"
#include "lib/base/io.h"

/* Replaces the process by master; returns only when that fails. */
static void
exec_master(const struct postkeep *p, const char *mode, const char *mode_value)
{
	struct buf path = {0};
	const char *argv[10];
	size_t n = 0;

	buf_printf(&path, "%s/master", conf_cstr(p->conf, P_daemon_directory));
	argv[n++] = buf_cstr(&path);
	argv[n++] = "-c";
	argv[n++] = p->config_dir;
	argv[n++] = mode;
	if (mode_value)
		argv[n++] = mode_value;
	for (int i = 0; i < p->verbose && i < 3; i++)
		argv[n++] = "-v";
	argv[n] = NULL;
	execv(argv[0], (char *const *)argv);
	postkeep_say("error: cannot execute %s: %s", argv[0], strerror(errno));
	buf_free(&path);
}

/* All that is wrong at once; with errors nothing is started. */
static bool
may_start(struct postkeep *p)
{
	struct pidfile_info running = postkeep_running(p);
	struct conf_problems problems = {0};
	bool ok;

	if (running.pid > 0) {
		postkeep_say(
		    "error: the mail system is already running: process %ld", (long)running.pid);
		return false;
	}
	postkeep_gather(p, false, &problems);
	postkeep_print_problems(&problems, false);
	ok = problems.errors == 0;
	if (!ok)
		postkeep_say("not started: %zu error%s in %s", problems.errors,
		    problems.errors == 1 ? "" : "s", p->config_dir);
	conf_problems_free(&problems);
	return ok;
}

/* Master says when it is up by one byte; the end of the pipe without it is a failure. */
static int
wait_for_master(int fd, pid_t pid)
{
	char byte;
	int status;
	ssize_t n = io_read_full(fd, &byte, 1);

	if (n == 1)
		return 0;
	if (n < 0) {
		postkeep_say("error: cannot hear from process %ld, which may be running: %s",
		    (long)pid, strerror(errno));
		return 1;
	}
	if (waitpid(pid, &status, 0) == pid && WIFSIGNALED(status))
		postkeep_say("error: master was killed by signal %d", WTERMSIG(status));
	postkeep_say("error: the mail system was not started");
	return 1;
}

int
postkeep_start(struct postkeep *p)
{
	int fds[2], status;
	char number[16];
	pid_t pid;

	if (!may_start(p))
		return 1;
	if (pipe(fds) < 0 || (pid = fork()) < 0) {
		postkeep_say("error: cannot start a process: %s", strerror(errno));
		return 1;
	}
	if (pid == 0) {
		int null_fd = open("/dev/null", O_RDWR);

		close(fds[0]);
		if (setsid() < 0 || null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 ||
		    dup2(null_fd, STDOUT_FILENO) < 0)
			_exit(1);
		close(null_fd);
		snprintf(number, sizeof(number), "%d", fds[1]);
		exec_master(p, "-r", number);
		_exit(1);
	}
	close(fds[1]);
	status = wait_for_master(fds[0], pid);
	close(fds[0]);
	if (status == 0)
		postkeep_say("the mail system is running: process %ld, configuration %s", (long)pid,
		    p->config_dir);
	return status;
}

int
postkeep_start_fg(struct postkeep *p)
{
	if (may_start(p))
		exec_master(p, "-d", NULL);
	return 1;
}
