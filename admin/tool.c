/* tool - common parts of postqueue, postsuper and postcat; see tool.h */
#include "admin/tool.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/conf/conf.h"
#include "lib/ipc/postlog.h"

/* A long queue is listed slowly, and "-d ALL" of one takes its syncs. */
#define ANSWER_MS 600000

struct tool {
	const char *program;
	bool started; /* the log can be opened */
};
static struct tool tool = {.program = "postkeep"};

static void vsay(enum log_level level, const char *format, va_list ap)
    __attribute__((format(printf, 2, 0)));

static void
vsay(enum log_level level, const char *format, va_list ap)
{
	struct buf text = {0};

	buf_vprintf(&text, format, ap);
	log_to_stderr();
	log_as(tool.program, level, "%s", buf_cstr(&text));
	if (tool.started) {
		postlog_use(".");
		log_as(tool.program, level, "%s", buf_cstr(&text));
		log_to_stderr();
	}
	buf_free(&text);
}

void
tool_say(enum log_level level, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsay(level, format, ap);
	va_end(ap);
}

void
tool_fail(int status, const char *format, ...)
{
	va_list ap;

	(void)fflush(stdout);
	va_start(ap, format);
	vsay(LOG_LEVEL_FATAL, format, ap);
	va_end(ap);
	exit(status);
}

void
tool_usage(const char *text)
{
	fprintf(stderr, "usage: %s\n", text);
	exit(EX_USAGE);
}

void
tool_flush(void)
{
	if (fflush(stdout) == 0)
		return;
	if (errno == EPIPE)
		exit(EX_OK);
	tool_fail(EX_IOERR, "output write error: %s", strerror(errno));
}

void
tool_name(const char *program)
{
	tool.program = program;
	log_name("postkeep", program);
	signal(SIGPIPE, SIG_IGN);
}

void
tool_start(const char *program, const char *config_dir, int verbose)
{
	struct conf_problems problems = {0};
	struct conf *conf;
	const char *queue;

	tool_name(program);
	log_verbose(verbose);
	conf = conf_load(config_dir, NULL, 0, &problems);
	if (conf_unread(conf))
		tool_fail(EX_CONFIG, "open %s: %s", conf_file(conf), strerror(conf_unread(conf)));
	conf_problems_free(&problems);
	conf_set(conf);
	log_name(conf_cstr(conf, P_syslog_name), program);
	queue = conf_cstr(conf, P_queue_directory);
	if (chdir(queue) < 0)
		tool_fail(EX_UNAVAILABLE, "chdir %s: %s", queue, strerror(errno));
	tool.started = true;
}

struct ipc_blocking *
tool_connect(const char *path)
{
	return ipc_blocking_connect(path, tool.program, ANSWER_MS);
}

bool
tool_down(int error)
{
	return error == ENOENT || error == ECONNREFUSED;
}
