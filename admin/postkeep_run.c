/* postkeep_run - stop, abort, reload, status, flush: what is asked of a running suite. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "admin/postkeep.h"
#include "lib/base/clock.h"
#include "lib/service/control.h"

/* Master bounds every phase of a stop; this is more than their sum. */
#define STOP_MS 90000
#define POLL_MS 20
#define ARGUMENTS_MAX 5 /* as postkeep.c lets in */

static bool
running(const struct postkeep *p, struct pidfile_info *info)
{
	*info = postkeep_running(p);
	if (info->pid == 0)
		postkeep_say("the mail system is not running");
	return info->pid > 0;
}

/* Sends SIGNO and waits until the lock is free. */
static int
end(struct postkeep *p, int signo)
{
	int64_t until = clock_mono_ms() + STOP_MS;
	struct pidfile_info info;
	pid_t pid;

	if (!running(p, &info))
		return 1;
	pid = info.pid;
	if (kill(pid, signo) < 0) {
		postkeep_say("error: cannot signal process %ld: %s", (long)pid, strerror(errno));
		return 1;
	}
	while (info.pid == pid && clock_mono_ms() < until) {
		nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
		info = postkeep_running(p);
	}
	if (info.pid == pid) {
		postkeep_say("error: process %ld has not ended in %d s; \"postkeep abort\" ends it",
		    (long)pid, STOP_MS / 1000);
		return 1;
	}
	postkeep_say("the mail system has stopped");
	return 0;
}

int
postkeep_stop(struct postkeep *p)
{
	return end(p, SIGTERM);
}

int
postkeep_abort(struct postkeep *p)
{
	return end(p, SIGQUIT);
}

static int
ask(struct postkeep *p, const char *request, void (*say)(const char *line))
{
	struct buf why = {0};
	enum control_result result = control_ask(postkeep_queue(p), request, say, &why);

	if (result == CONTROL_NO_ANSWER)
		postkeep_say("error: %s", buf_cstr(&why));
	buf_free(&why);
	return result == CONTROL_DONE ? 0 : 1;
}

int
postkeep_reload(struct postkeep *p)
{
	struct pidfile_info info;

	if (!running(p, &info))
		return 1;
	if (ask(p, CONTROL_RELOAD, postkeep_say_line) != 0) {
		postkeep_say("nothing was changed; the mail system goes on as it was");
		return 1;
	}
	postkeep_say("the mail system has taken up %s", info.config);
	return 0;
}

/* Becomes a program of its own: what it needs of libraries is not for a tool that starts the suite. */
static int
become(struct postkeep *p, const char *program)
{
	struct buf path = {0};
	const char *argv[ARGUMENTS_MAX + 4] = {program, "-c", p->config_dir};

	for (int i = 0; i < ARGUMENTS_MAX && p->arguments[i]; i++)
		argv[3 + i] = p->arguments[i];
	buf_printf(&path, "%s/%s", conf_cstr(p->conf, P_daemon_directory), program);
	execv(buf_cstr(&path), (char *const *)argv);
	postkeep_say("error: run %s: %s", buf_cstr(&path), strerror(errno));
	buf_free(&path);
	return 1;
}

int
postkeep_probe(struct postkeep *p)
{
	return become(p, "probe");
}

int
postkeep_tlsrpt(struct postkeep *p)
{
	return become(p, "tlsreport");
}

int
postkeep_flush(struct postkeep *p)
{
	struct pidfile_info info;

	return running(p, &info) ? ask(p, CONTROL_FLUSH, postkeep_say_line) : 1;
}

static void
print_line(const char *line)
{
	printf("%s\n", line);
}

int
postkeep_status(struct postkeep *p)
{
	struct pidfile_info info = postkeep_running(p);
	time_t since = (time_t)info.since;
	char when[64] = "an unknown time";
	struct tm tm;

	if (info.pid == 0) {
		printf("the mail system is not running (configuration %s)%s\n", p->config_dir,
		    info.stale ? "; it did not end in good order" : "");
		return 1;
	}
	if (info.since > 0 && localtime_r(&since, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S %z", &tm);
	printf("the mail system is running: process %ld, since %s, configuration %s\n",
	    (long)info.pid, when, info.config[0] ? info.config : "unknown");
	fflush(stdout);
	/* The services are for those who may talk to master. */
	if (geteuid() == 0 || kill(info.pid, 0) == 0)
		return ask(p, CONTROL_STATUS, print_line);
	return 0;
}
