/*
 * run - starting other programs of the suite; see run.h
 *
 * Always by argument vector, never by a shell, with an environment of a few names.
 */
#include "config.h"

#include "sendmail/run.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/mem.h"

#define ANSWER_MAX 4000

/* What a helper may know of its caller's environment. */
static const char *const passed_on[] = {"MAIL_CONFIG", "TZ", "LANG"};
#define PASSED_ON (sizeof(passed_on) / sizeof(passed_on[0]))

struct environment {
	char *list[PASSED_ON + 2];
};

static void
make_environment(struct environment *e)
{
	size_t n = 0;

	e->list[n++] = mem_strdup("PATH=/usr/bin:/bin:/usr/sbin:/sbin");
	for (size_t i = 0; i < PASSED_ON; i++) {
		const char *value = getenv(passed_on[i]);
		struct buf text = {0};

		if (value == NULL)
			continue;
		buf_printf(&text, "%s=%s", passed_on[i], value);
		e->list[n++] = buf_take(&text);
	}
	e->list[n] = NULL;
}

static void
free_environment(struct environment *e)
{
	for (char **p = e->list; *p; p++)
		free(*p);
}

static char *
program_path(const char *dir, const char *name)
{
	struct buf path = {0};

	buf_printf(&path, "%s/%s", dir, name);
	return buf_take(&path);
}

void
run_instead(const char *dir, char *const *argv)
{
	struct environment e;
	char *path = program_path(dir, argv[0]);
	int saved;

	make_environment(&e);
	execve(path, argv, e.list);
	saved = errno;
	free_environment(&e);
	free(path);
	errno = saved;
}

static int
spawn(pid_t *pid, const char *path, char *const *argv, int in, int out)
{
	posix_spawn_file_actions_t actions;
	struct environment e;
	int rc;

	make_environment(&e);
	rc = posix_spawn_file_actions_init(&actions);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	if (rc == 0)
		rc = posix_spawn(pid, path, &actions, NULL, argv, e.list);
	posix_spawn_file_actions_destroy(&actions);
	free_environment(&e);
	return rc;
}

bool
postdrop_start(struct postdrop *p, const char *dir, char *const *argv)
{
	int in[2] = {-1, -1};
	int out[2] = {-1, -1};
	char *path = program_path(dir, argv[0]);
	int rc = 0;

	*p = (struct postdrop){.to = -1, .answer = -1};
	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		rc = errno;
	else
		rc = spawn(&p->pid, path, argv, in[0], out[1]);
	free(path);
	io_close(&in[0]);
	io_close(&out[1]);
	p->to = in[1];
	p->answer = out[0];
	if (rc == 0)
		return true;
	io_close(&p->to);
	io_close(&p->answer);
	errno = rc;
	return false;
}

void
postdrop_feed(struct postdrop *p, struct str data)
{
	if (p->broken || io_write_all(p->to, data.data, data.len) == 0)
		return;
	p->broken = true;
	p->error = errno == EPIPE ? 0 : errno;
}

int
postdrop_finish(struct postdrop *p, struct buf *answer)
{
	ssize_t n;
	int status = 0;

	if (io_close(&p->to) < 0)
		p->broken = true;
	n = io_read_full(p->answer, buf_reserve(answer, ANSWER_MAX), ANSWER_MAX);
	if (n > 0)
		answer->len += (size_t)n;
	io_close(&p->answer);
	while (waitpid(p->pid, &status, 0) < 0)
		if (errno != EINTR)
			return EX_TEMPFAIL;
	if (!WIFEXITED(status))
		return EX_TEMPFAIL;
	if (p->error) {
		buf_reset(answer);
		buf_printf(answer, "write to postdrop: %s", strerror(p->error));
		return EX_TEMPFAIL;
	}
	/* Whatever it says: who could not take all of it has not accepted it. */
	if (WEXITSTATUS(status) == 0 && p->broken)
		return EX_TEMPFAIL;
	return WEXITSTATUS(status);
}
